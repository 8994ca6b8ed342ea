-- Routines by schema and name that may change rows.
select distinct w.schema, w.name
from unnest($1::text[], $2::text[]) as w (schema, name)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_proc p on p.proname = w.name and p.pronamespace = n.oid
where p.provolatile = 'v'
