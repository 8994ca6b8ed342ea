-- Other sessions of this database. Of another role's, PostgreSQL may show no more than pid, application and role.
select a.pid,
    coalesce(a.usename, '')::text as role,
    coalesce(a.application_name, '') as application,
    coalesce(extract(epoch from clock_timestamp() - a.backend_start), 0)::double precision as age,
    coalesce(extract(epoch from clock_timestamp() - a.xact_start), 0)::double precision as transaction_age,
    coalesce(a.state, '') as state,
    (me.rolsuper or not r.rolsuper and (pg_has_role(r.oid, 'USAGE') or pg_has_role('pg_signal_backend', 'USAGE'))) as endable,
    r.rolsuper as superuser
from pg_stat_activity a
join pg_roles r on r.oid = a.usesysid
join pg_roles me on me.rolname = current_user
where a.datname = current_database()
    and a.pid <> pg_backend_pid()
    and coalesce(a.backend_type, 'client backend') = 'client backend'
    and a.application_name not like 'tenantctl/%'
order by a.backend_start nulls last, a.pid
