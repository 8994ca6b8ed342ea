-- $1 lease, $2 its token so far, $3 holder. The token rises before the old session ends, so that the old holder has lost the
-- lease from here on, whatever becomes of this process.
with raised as (
    update tenantctl.lease as l
    set token = greatest(l.token + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint), holder = $3, heartbeat_at = now()
    from (select holder from tenantctl.lease where name = $1 and token = $2 for update) as old
    where l.name = $1 and l.token = $2
    returning l.name, old.holder as old_holder
)
insert into tenantctl.event (type, tenant, actor, message, data)
select 'lease.taken_over', '', $3, format('lease %s taken over from %s, which was silent', name, old_holder),
    jsonb_build_object('lease', name, 'from', old_holder)
from raised
