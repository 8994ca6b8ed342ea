-- $1 queue, $2 how many, $3 worker, $4 seconds of lease, $5 kinds that may be taken, $6 kinds that are long, $7 how many of those.
-- $8 how many of a tenant are in line at most.
-- Takes the first in line whose tenants have fewer running than they may, and moves the line on. It looks at twice as many as are
-- wanted, or at all that two tenants can have in line: those whose tenants have just taken what they may aren't looked at the next time.
with running as (
    select j.role, count(*) as n from jobs.job as j where j.queue = $1 and j.state = 'running' group by j.role
),
full_up as (
    select r.role from running as r join jobs.share as s on s.queue = $1 and s.role = r.role and r.n >= s.most
),
head as (
    select j.id, j.role, j.place, j.kind = any ($6) as long from jobs.job as j
    where j.queue = $1 and j.state = 'ready' and j.kind = any ($5) and j.role <> all (array(select role from full_up))
    order by j.place limit greatest(2 * $2::bigint, 2 * $8::bigint)
),
nth as (
    select h.*, row_number() over (partition by h.role order by h.place) as nth from head as h
),
allowed as (
    select n.id, n.place, n.long, count(*) filter (where n.long) over (order by n.place, n.id) as longs from nth as n
    where n.nth <= (select s.most from jobs.share as s where s.queue = $1 and s.role = n.role and s.open) - coalesce((select r.n from running as r where r.role = n.role), 0)
),
chosen as (
    select a.id from allowed as a where not a.long or a.longs <= $7 order by a.place limit $2::bigint
),
free as (
    select j.id from jobs.job as j where j.id in (select id from chosen) and j.state = 'ready' for update skip locked
),
taken as (
    update jobs.job as j set state = 'running', attempt = j.attempt + 1, worker = $3, started_at = clock_timestamp(),
        leased_to = clock_timestamp() + make_interval(secs => $4)
    from free as f where j.id = f.id
    returning j.id, j.place, j.role, j.kind, j.arguments, j.checkpoint, j.attempt, j.failures, coalesce(j.traceparent, '') as trace,
        greatest(j.created_at, j.due_at) as since, j.started_at
),
moved as (
    update jobs.line as l set place = greatest(l.place, (select max(place) from taken)) where l.queue = $1 and exists (select from taken)
)
select id::text, role, kind, arguments, checkpoint, attempt, failures, trace, extract(epoch from started_at - since)::float8 as dwell
from taken order by place
