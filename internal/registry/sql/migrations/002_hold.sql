-- Where a held tenant's traffic went before: what only reads goes on there while writes wait.
alter table tenantctl.route add column held_from text,
    add constraint route_held_from_is_known check (held_from in ('legacy', 'platform'));
update tenantctl.route as r
set held_from = coalesce((
    select e.data ->> 'from' from tenantctl.event as e
    where e.tenant = r.tenant and e.type = 'tenant.routed' and (e.data ->> 'epoch')::bigint = r.epoch), 'legacy')
where r.target = 'hold';
alter table tenantctl.route add constraint route_held_from_is_given check ((target = 'hold') = (held_from is not null));

-- Epochs that a gateway has seen and doesn't acknowledge yet: requests that it sent on before are still under way. A slow
-- upload of one tenant must not delay the hold of another.
alter table tenantctl.gateway add column draining bigint[] not null default '{}';
