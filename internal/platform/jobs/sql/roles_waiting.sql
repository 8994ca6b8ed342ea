with recursive waiting (role) as (
            (select j.role from jobs.job as j where j.queue = $1 and j.state = 'backlog' order by j.role limit 1)
            union all
            select (select j.role from jobs.job as j where j.queue = $1 and j.state = 'backlog' and j.role > w.role order by j.role limit 1)
            from waiting as w where w.role is not null
        )
        select w.role from waiting as w join jobs.share as s on s.queue = $1 and s.role = w.role and s.open
