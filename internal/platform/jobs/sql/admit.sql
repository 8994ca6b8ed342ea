-- $1 queue, $2 how many of a tenant are in line at most. Puts jobs in line: those of fresh, which has their role, number and cost.
-- Each stands behind those of its tenant that are in line already, or behind where the line is now; as far as its cost by the
-- weight. Those for which there is no room, or whose tenant may have nothing now, lie behind the line.
with fresh as ({fresh}),
tenants as materialized (
    select r.role, s.weight, coalesce(s.open, false) as open, coalesce(greatest(l.place, t.place), 0) as place, coalesce(t.n, 0) as n
    from (select distinct role from fresh) as r
    left join jobs.line as l on l.queue = $1
    left join jobs.share as s on s.queue = $1 and s.role = r.role
    cross join lateral (
        select max(j.place) as place, count(j.place) as n from jobs.job as j where j.queue = $1 and j.role = r.role and j.state in ('new', 'ready')
    ) as t
),
placed as (
    select f.id, t.open and t.n + row_number() over each <= $2 as fits, t.place + sum(f.cost) over each / t.weight as place
    from fresh as f join tenants as t on t.role = f.role
    window each as (partition by f.role order by f.number)
)
update jobs.job as j set state = case when p.fits then 'ready' else 'backlog' end, place = case when p.fits then p.place end
from placed as p where j.id = p.id and (p.fits or j.state = 'new')
