-- $1 queue, $2 how many, $3 worker, $4 seconds of lease, $5 kinds that may be taken, $6 kinds that are long, $7 how many of those.
-- $8 how many of a tenant are in line at most.
-- Takes the first in line whose tenants have fewer running than they may, and moves the line on. Of each tenant that has room the
-- first in line may be taken, so that it suffices to look at as many times $8 as are wanted.
with running as (
    select j.role, count(*) as n from jobs.job as j where j.queue = $1 and j.state = 'running' group by j.role
),
full_up as (
    select r.role from running as r join jobs.share as s on s.queue = $1 and s.role = r.role and r.n >= s.most
),
head as (
    select j.id, j.role, j.place, j.kind = any ($6) as long from jobs.job as j
    where j.queue = $1 and j.state = 'ready' and j.kind = any ($5) and j.role <> all (array(select role from full_up)) order by j.place limit $2::bigint * $8::bigint
),
allowed as (
    select h.id, h.place, h.long, row_number() over (partition by h.role order by h.place) + coalesce(r.n, 0) as nth, s.most
    from head as h join jobs.share as s on s.queue = $1 and s.role = h.role and s.open left join running as r on r.role = h.role
),
chosen as (
    select a.id from (
        select a.id, a.place, a.long, count(*) filter (where a.long) over (order by a.place, a.id) as longs from allowed as a where a.nth <= a.most
    ) as a
    where not a.long or a.longs <= $7 order by a.place limit $2::bigint
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
