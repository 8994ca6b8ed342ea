-- $1 queue, $2 seconds that a job waits after its first failure, $3 and at most. What waits for longer than it was told to is done now: the
-- server's clock has gone back.
update jobs.job set due_at = now() where queue = $1 and state = 'scheduled' and failures > 0
    and due_at > now() + make_interval(secs => 1 + 1.25 * least($2 * 2 ^ least(failures - 1, 20), $3))
