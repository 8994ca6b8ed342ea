-- $1 name, $2 actor, $3 reason. What is deleted stays readable in the event.
with gone as (
    delete from tenantctl.tenant where name = $1 returning *
), freed as (
    delete from tenantctl.seat where tenant = $1 returning instance, cell
), lifted as (
    delete from tenantctl.override where tenant = $1
), ended as (
    -- A tenant of the same name made later must not resume what this one left.
    update tenantctl.operation set state = 'rolled-back', error = 'the tenant was deleted', updated_at = now()
    where tenant = $1 and kind <> 'delete' and state in ('running', 'failed', 'stopped')
    returning id
)
insert into tenantctl.event (type, tenant, actor, message, data)
select 'tenant.deleted', $1, $2, concat_ws(': ', 'deleted', nullif($3, '')),
    jsonb_build_object('tenant', (select to_jsonb(gone) from gone), 'cell', (select 'c' || cell from freed),
        'operationsEnded', (select coalesce(jsonb_agg(id), '[]') from ended))
where exists (select from gone) or exists (select from freed)
