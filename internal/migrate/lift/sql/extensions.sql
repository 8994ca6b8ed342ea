-- The installed extensions that aren't part of the system, and the schema of each.
select e.extname, n.nspname, e.extrelocatable
from pg_extension e join pg_namespace n on n.oid = e.extnamespace
where n.nspname <> 'pg_catalog'
order by e.extname
