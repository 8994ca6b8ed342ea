-- The transaction of this database that has been open for longest, prepared ones included; pid 0 is a prepared one, whose name
-- stands in place of the application's. Our own sessions and the server's don't count.
select pid, role, application, state, age
from (
  select pid, coalesce(usename::text, '') as role, application_name as application, coalesce(state, '') as state,
         extract(epoch from clock_timestamp() - xact_start)::float8 as age
  from pg_stat_activity
  where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
    and application_name not like 'tenantctl/%'
    and backend_type not in ('walsender', 'parallel worker', 'autovacuum worker', 'autovacuum launcher')
  union all
  select 0, owner::text, gid, 'prepared', extract(epoch from clock_timestamp() - prepared)::float8
  from pg_prepared_xacts where database = current_database()
) t
order by age desc
limit 1
