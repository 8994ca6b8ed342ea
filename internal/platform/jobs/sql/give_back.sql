-- $1 id, $2 attempt, $3 state, $4 seconds to wait, $5 error or null, $6 failures to add, $7 cost or null. Ends an attempt that didn't complete.
update jobs.job set leased_to = null, worker = null, place = null, state = $3, due_at = now() + make_interval(secs => $4), error = $5,
    failures = failures + $6, cost = coalesce($7, cost), finished_at = case when $3 in ('failed', 'canceled') then now() end
where id = $1::uuid and attempt = $2 and state = 'running'
