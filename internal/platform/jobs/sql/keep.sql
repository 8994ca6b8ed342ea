-- $1 queue, $2 worker, $3 seconds of lease. A row that is locked is about to be completed by its holder, and isn't anybody else's.
with mine as (
    select j.id from jobs.job as j where j.queue = $1 and j.state = 'running' and j.worker = $2 for update skip locked
)
update jobs.job as j set leased_to = clock_timestamp() + make_interval(secs => $3) from mine as m where j.id = m.id
