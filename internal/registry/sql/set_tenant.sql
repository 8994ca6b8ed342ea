-- $1 name, $2 the value, $3 actor, $4 message; {column} and {value} are the program's own words
with old as (
    select name, {column} as was from tenantctl.tenant where name = $1 for update
), changed as (
    update tenantctl.tenant as t set {column} = {value}, updated_at = now()
    from old where t.name = old.name and old.was is distinct from {value}
    returning t.name, old.was, t.{column} as is_now
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select 'tenant.{column}_changed', name, $3, $4, jsonb_build_object('from', was, 'to', is_now) from changed
)
select name from old
