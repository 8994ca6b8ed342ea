-- $1 id or '', $2 tenant or '', $3 kind or '', $4 only unfinished, $5 limit
select o.id, o.kind, o.tenant, o.state, o.phase, o.actor, o.reason, o.error, o.detail, o.progress, o.started_at as started,
    o.updated_at as updated, coalesce(h.holder, '') as runner
from tenantctl.operation as o
left join tenantctl.held_lease as h on h.name = 'tenant:' || o.tenant and o.state = 'running'
where ($1 = '' or o.id = $1) and ($2 = '' or o.tenant = $2) and ($3 = '' or o.kind = $3)
  and (not $4 or o.state in ('running', 'failed', 'stopped'))
order by o.number desc
limit $5
