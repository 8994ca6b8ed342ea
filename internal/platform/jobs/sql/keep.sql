-- $1 queue, $2 worker, $3 seconds of lease, $4 the jobs that the worker knows that it has: one that it was given, and never heard of since
-- its session ended, is left to its lease. A row that is locked is about to be completed by its holder, and isn't anybody else's.
with mine as (
    select j.id from jobs.job as j where j.queue = $1 and j.state = 'running' and j.worker = $2 and j.id = any ($4::uuid[]) for update skip locked
)
update jobs.job as j set leased_to = clock_timestamp() + make_interval(secs => $3) from mine as m where j.id = m.id
