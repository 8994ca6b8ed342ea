select id, role, number, cost from jobs.job where queue = $1 and state = 'new' order by number limit 1000 for update skip locked
