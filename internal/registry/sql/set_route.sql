-- $1 tenant, $2 target, $3 actor. A route that is there already keeps its epoch.
with old as (
    select tenant, target, epoch from tenantctl.route where tenant = $1 for update
), next as (
    update tenantctl.route_epoch as e set epoch = e.epoch + 1 from old where old.target <> $2 returning e.epoch
), changed as (
    update tenantctl.route as r set target = $2, held_from = case when $2 = 'hold' then old.target end, epoch = next.epoch, changed_at = now(), actor = $3
    from next, old where r.tenant = $1
    returning r.epoch
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select 'tenant.routed', $1, $3, format('route %s -> %s', old.target, $2),
        jsonb_build_object('from', old.target, 'to', $2, 'epoch', changed.epoch)
    from old, changed
)
select coalesce(changed.epoch, old.epoch) from old left join changed on true
