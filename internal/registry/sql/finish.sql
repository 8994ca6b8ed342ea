-- $1 operation, $2 state, $3 error. What is rolled back stays so; what is done may only be rolled back.
with old as (
    select id, state from tenantctl.operation where id = $1 for update
), changed as (
    update tenantctl.operation as o set state = $2, error = $3, updated_at = now()
    from old
    where o.id = old.id and (o.state in ('running', 'failed', 'stopped') or (o.state = 'done' and $2 = 'rolled-back'))
      and (o.state, o.error) is distinct from ($2, $3)
    returning o.*
), told as (
    insert into tenantctl.event (type, tenant, actor, message, data)
    select 'operation.' || state, tenant, actor, concat_ws(': ', kind || ' ' || state, nullif(error, '')),
        jsonb_build_object('operation', id, 'kind', kind, 'phase', phase)
    from changed
)
select old.state from old
