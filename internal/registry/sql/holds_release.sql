-- $1 leases of this session
with released as (
    update tenantctl.lease set released_at = now() where name = any ($1) and backend_pid = pg_backend_pid() and released_at is null returning name
)
select count(*) filter (where pg_advisory_unlock(tenantctl.lease_key(name))) from released
