-- $1 tenant, $2 kind, $3 actor, $4 reason, $5 detail or null. Gives no row where another process begins the same just now.
with resumed as (
    update tenantctl.operation
    set state = 'running', error = '', actor = $3, reason = coalesce(nullif($4, ''), reason), updated_at = now()
    where tenant = $1 and kind = $2 and state in ('running', 'failed', 'stopped')
    returning *
), begun as (
    insert into tenantctl.operation (tenant, kind, actor, reason, detail)
    select $1, $2, $3, $4, $5::jsonb where not exists (select from resumed)
    on conflict (tenant, kind) where state in ('running', 'failed', 'stopped') do nothing
    returning *
), either as (
    select *, true as resumed from resumed union all select *, false from begun
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select case when resumed then 'operation.resumed' else 'operation.started' end, tenant, actor,
        concat_ws(': ', kind || case when resumed then ' resumed' else ' started' end, nullif(reason, '')),
        jsonb_build_object('operation', id, 'kind', kind)
    from either
)
select id, kind, tenant, state, phase, actor, reason, error, detail, progress, started_at as started, updated_at as updated,
    '' as runner, resumed
from either
