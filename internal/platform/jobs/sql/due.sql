-- $1 queue.
with due as (
    select j.id from jobs.job as j where j.queue = $1 and j.state = 'scheduled' and j.due_at <= now() order by j.due_at limit 1000 for update skip locked
)
update jobs.job as j set state = 'new' from due as d where j.id = d.id
