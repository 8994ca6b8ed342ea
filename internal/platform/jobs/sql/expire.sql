-- $1 queue, $2 how often a job may fail, $3 jobs, $4 their attempts and $5 their leases, which weren't renewed. What nobody holds any more is
-- done again; a job that takes its workers along ends.
with lost as (
    select j.id from unnest($3::uuid[], $4::int[], $5::timestamptz[]) as seen (id, attempt, leased_to)
    join jobs.job as j on j.id = seen.id and j.attempt = seen.attempt and j.leased_to = seen.leased_to
    where j.queue = $1 and j.state = 'running' for update of j skip locked
)
update jobs.job as j set leased_to = null, worker = null, place = null, failures = j.failures + 1, error = 'its worker was lost',
    state = case when j.cancel then 'canceled' when j.failures + 1 >= $2 then 'failed' else 'new' end,
    finished_at = case when j.cancel or j.failures + 1 >= $2 then now() end
from lost as l where j.id = l.id
