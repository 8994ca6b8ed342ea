-- $1 names or null, $2 instance or '', $3 ring or '', $4 state or ''
with newest as (
    select distinct on (tenant) *
    from tenantctl.operation
    where state in ('running', 'failed', 'stopped')
    order by tenant, number desc
), unfinished as (
    select o.tenant, json_build_object('id', o.id, 'kind', o.kind, 'tenant', o.tenant, 'state', o.state, 'phase', o.phase,
        'actor', o.actor, 'reason', o.reason, 'error', o.error, 'detail', o.detail, 'progress', o.progress,
        'started', o.started_at, 'updated', o.updated_at, 'runner', coalesce(h.holder, '')) as operation
    from newest as o
    left join tenantctl.held_lease as h on h.name = 'tenant:' || o.tenant and o.state = 'running'
), overridden as (
    select tenant, string_agg(kind || '=' || value, ', ' order by kind) as override
    from tenantctl.override
    group by tenant
)
select t.name, t.instance, t.schema, coalesce('c' || s.cell, ''), t.ring, t.state, coalesce(d.override, ''),
    coalesce(r.target, ''), coalesce(r.epoch, 0), coalesce(r.held_from, ''), t.versions::text, t.limits::text, to_json(t.services)::text,
    to_json(t.search_path)::text, t.upstream, t.created_at, t.updated_at, u.operation::text
from tenantctl.tenant as t
left join tenantctl.seat as s on s.tenant = t.name
left join tenantctl.route as r on r.tenant = t.name
left join overridden as d on d.tenant = t.name
left join unfinished as u on u.tenant = t.name
where ($1::text[] is null or t.name = any ($1)) and ($2 = '' or t.instance = $2) and ($3 = '' or t.ring = $3) and ($4 = '' or t.state = $4)
order by t.name
