-- $1 queue. What is in line of tenants that may have nothing now lies behind it: a worker that looks for the next doesn't look past it.
update jobs.job as j set state = 'backlog', place = null
from jobs.share as s where s.queue = $1 and not s.open and j.queue = $1 and j.role = s.role and j.state = 'ready'
