-- The comment of a tenant's schema is tenantctl's own mark.
select 'schema' as kind, nspname::text as schema, '' as name, 'exists' as property, 'plain' as form, 'yes' as value from pg_catalog.pg_namespace where nspname = any($1)
