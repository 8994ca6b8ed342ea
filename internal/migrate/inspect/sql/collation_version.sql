-- The version of the default collation's rules when the database was made, and today's. From version 15 on.
select coalesce(datcollversion, '') as recorded, coalesce(pg_database_collation_actual_version(oid), '') as actual
from pg_database
where datname = current_database()
