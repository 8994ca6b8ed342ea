-- $1 operation, $2 step
with op as (
    update tenantctl.operation set phase = $2, updated_at = now() where id = $1 returning id, kind, tenant, actor, reason
), begun as (
    insert into tenantctl.journal (operation, step, attempt, state, actor, reason)
    select id, $2, 1 + coalesce((select max(attempt) from tenantctl.journal where operation = $1 and step = $2), 0), 'started', actor, reason
    from op
    returning attempt
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select 'operation.step_started', tenant, actor, kind || ': ' || $2,
        jsonb_build_object('operation', id, 'kind', kind, 'step', $2, 'attempt', begun.attempt)
    from op, begun
)
select attempt from begun
