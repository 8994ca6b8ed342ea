-- $1 lease, $2 holder. Takes the lock and gives the new token, or gives no row where another session has the lock. Tokens begin
-- at the clock, so that even a control database restored from an old backup gives none that an instance has seen.
with lock as materialized (
    select pg_try_advisory_lock(tenantctl.lease_key($1)) as taken
)
insert into tenantctl.lease as l (name, token, holder, backend_pid)
select $1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2, pg_backend_pid() from lock where taken
on conflict (name) do update
set token = greatest(l.token + 1, excluded.token), holder = excluded.holder, backend_pid = excluded.backend_pid,
    acquired_at = now(), heartbeat_at = now(), released_at = null
returning token
