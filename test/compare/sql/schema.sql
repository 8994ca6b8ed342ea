select 'schema' as kind, nspname::text as schema, '' as name, 'comment' as property, 'schema comment' as form, nullif(obj_description(oid, 'pg_namespace'), 'standard public schema') as value
  from pg_catalog.pg_namespace where nspname = any($1)
union all
select 'schema', nspname::text, '', 'exists', 'plain', 'yes' from pg_catalog.pg_namespace where nspname = any($1)
