select id::text, attempt, leased_to from jobs.job where queue = $1 and state = 'running'
