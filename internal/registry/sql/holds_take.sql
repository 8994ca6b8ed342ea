-- $1 leases, $2 holder. Takes the locks of those that are free, and gives their names and tokens. Tokens rise as in lease_take.sql.
with lock as materialized (
    select name from unnest($1::text[]) as name where pg_try_advisory_lock(tenantctl.lease_key(name))
)
insert into tenantctl.lease as l (name, token, holder, backend_pid)
select name, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2, pg_backend_pid() from lock order by name
on conflict (name) do update
set token = greatest(l.token + 1, excluded.token), holder = excluded.holder, backend_pid = excluded.backend_pid,
    acquired_at = now(), heartbeat_at = now(), released_at = null
returning name, token
