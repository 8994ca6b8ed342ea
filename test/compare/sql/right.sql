-- Who owns what of a schema and who may use it.
select 'schema: ' || nspowner::regrole || ' ' || coalesce(nspacl::text, '') from pg_catalog.pg_namespace where nspname = $1
union all
select 'relation ' || c.relname || ': ' || c.relowner::regrole || ' ' || coalesce(c.relacl::text, '')
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1
union all
select 'column ' || c.relname || '.' || a.attname || ': ' || a.attacl::text
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and a.attacl is not null
union all
select 'function ' || f.oid::regprocedure || ': ' || f.proowner::regrole || ' ' || coalesce(f.proacl::text, '')
  from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace where n.nspname = $1
union all
select 'type ' || t.typname || ': ' || t.typowner::regrole || ' ' || coalesce(t.typacl::text, '')
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname = $1
