-- $1 queue, $2 how often a job may fail. What nobody holds any more is done again; a job that takes its workers along ends.
with lost as (
    select j.id from jobs.job as j where j.queue = $1 and j.state = 'running' and j.leased_to < clock_timestamp() for update skip locked
)
update jobs.job as j set leased_to = null, worker = null, place = null, failures = j.failures + 1, error = 'its worker was lost',
    state = case when j.cancel then 'canceled' when j.failures + 1 >= $2 then 'failed' else 'new' end,
    finished_at = case when j.cancel or j.failures + 1 >= $2 then now() end
from lost as l where j.id = l.id
