-- Constraints that aren't valid yet, of tables by schema and name. Names in the definitions are qualified where the path is empty.
select w.schema, w.name, k.conname, pg_catalog.pg_get_constraintdef(k.oid)
from unnest($1::text[], $2::text[]) as w (schema, name)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
join pg_catalog.pg_constraint k on k.conrelid = c.oid
where not k.convalidated
