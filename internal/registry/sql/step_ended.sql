-- $1 operation, $2 step, $3 attempt, $4 done or failed, $5 error
with op as (
    select id, kind, tenant, actor, reason from tenantctl.operation where id = $1
), ended as (
    insert into tenantctl.journal (operation, step, attempt, state, actor, reason, error)
    select id, $2, $3, $4, actor, reason, $5 from op
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select 'operation.step_' || $4, tenant, actor, concat_ws(': ', kind || ': ' || $2 || ' ' || $4, nullif($5, '')),
        jsonb_build_object('operation', id, 'kind', kind, 'step', $2, 'attempt', $3::integer)
    from op
)
select id from op
