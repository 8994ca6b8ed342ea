select b.id, b.role, b.number, b.cost
    from ({roles}) as r
    cross join lateral (
        select $2 - count(*) as room from jobs.job as j where j.queue = $1 and j.role = r.role and j.state in ('new', 'ready')
    ) as l
    cross join lateral (
        select j.id, j.role, j.number, j.cost from jobs.job as j
        where j.queue = $1 and j.role = r.role and j.state = 'backlog' order by j.number limit greatest(l.room, 0) for update skip locked
    ) as b
