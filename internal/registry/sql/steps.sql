-- $1 operation: its attempts at steps, in the order they began
select operation, step, attempt, (array_agg(state order by id desc))[1] as state, (array_agg(actor order by id))[1] as actor,
    max(error) as error, min(at) as started, max(at) filter (where state in ('done', 'failed')) as ended
from tenantctl.journal
where operation = $1
group by operation, step, attempt
order by min(id)
