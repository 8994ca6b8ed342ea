-- $1 queue, $2 worker: what it has running, and whether that is to end.
select id::text, attempt, cancel from jobs.job where queue = $1 and state = 'running' and worker = $2
