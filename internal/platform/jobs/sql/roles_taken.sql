select distinct role from jobs.job where queue = $1 and state = 'running' and started_at >= now()
