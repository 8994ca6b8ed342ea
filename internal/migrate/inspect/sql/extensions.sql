-- Installed extensions; which are trusted is known from version 13 on.
select e.extname::text as name,
    e.extversion as version,
    n.nspname::text as schema,
    e.extrelocatable as relocatable,
    coalesce((select (to_jsonb(v) ->> 'trusted')::boolean
        from pg_available_extension_versions v where v.name = e.extname and v.version = e.extversion), false) as trusted
from pg_extension e
join pg_namespace n on n.oid = e.extnamespace
order by e.extname
