-- $1 lease, $2 the age in seconds at which a heartbeat is stale. Whoever holds the lock now: known says that the row is its own.
-- A session that has only just begun is never stale: it may be about to write its row.
select h.pid, h.token, h.backend_pid = h.pid and h.released_at is null as known, h.holder, h.acquired_at,
    extract(epoch from now() - h.heartbeat_at)::float8 as silent_seconds,
    coalesce(a.backend_start < now() - make_interval(secs => $2), false)
        and (h.backend_pid <> h.pid or h.released_at is not null or h.heartbeat_at < now() - make_interval(secs => $2)) as stale
from tenantctl.held_lease as h
left join pg_stat_activity as a on a.pid = h.pid
where h.name = $1
