-- $1 seconds that what has ended is kept, $2 the time by the worker's clock: one of the two may be far ahead.
with old as (
    select j.id from jobs.job as j where j.finished_at < least(now(), $2) - make_interval(secs => $1) order by j.finished_at limit 1000 for update skip locked
)
delete from jobs.job as j using old as o where j.id = o.id
