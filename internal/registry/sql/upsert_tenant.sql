-- $1 name, $2 instance, $3 schema, $4 ring, $5 state, $6 services, $7 limits, $8 upstream, $9 legacy, $10 actor
with old as (
    select name, instance, schema from tenantctl.tenant where name = $1 for update
), new as (
    insert into tenantctl.tenant as t (name, instance, schema, ring, state, services, limits, upstream, legacy)
    select $1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9
    where not exists (select from old where (old.instance, old.schema) is distinct from ($2, $3))
    on conflict (name) do update
    set ring = excluded.ring, services = excluded.services, limits = excluded.limits,
        upstream = excluded.upstream, legacy = excluded.legacy, updated_at = now()
    where (t.ring, t.services, t.limits, t.upstream, t.legacy)
        is distinct from (excluded.ring, excluded.services, excluded.limits, excluded.upstream, excluded.legacy)
    returning t.*, t.xmax = 0 as fresh
), epoch as (
    update tenantctl.route_epoch set epoch = epoch + 1 where exists (select from new where fresh) returning epoch
), routed as (
    insert into tenantctl.route (tenant, target, epoch, actor)
    select new.name, case when $9 then 'legacy' else 'platform' end, epoch.epoch, $10 from new, epoch
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select case when fresh then 'tenant.registered' else 'tenant.changed' end, name, $10,
        case when fresh then format('registered on instance %s, schema %s', instance, schema) else 'declaration changed' end,
        jsonb_build_object('ring', ring, 'services', services, 'limits', limits, 'upstream', upstream, 'legacy', legacy)
            || coalesce((select jsonb_build_object('epoch', epoch.epoch) from epoch), '{}')
    from new
)
select coalesce(old.instance, ''), coalesce(old.schema, ''), (select count(*) from new)
from (values (1)) as one left join old on true
