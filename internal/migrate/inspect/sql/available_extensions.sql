-- What a server knows of the extensions named: where each is installed, and what installing it would take.
select a.name::text as name,
    coalesce(a.default_version, '') as default_version,
    coalesce(a.installed_version, '') as installed_version,
    coalesce(n.nspname, '')::text as schema,
    coalesce(v.schema, '')::text as fixed_schema,
    coalesce(v.superuser and not coalesce((to_jsonb(v) ->> 'trusted')::boolean, false), false) as superuser
from pg_available_extensions a
left join pg_extension e on e.extname = a.name
left join pg_namespace n on n.oid = e.extnamespace
left join pg_available_extension_versions v on v.name = a.name and v.version = a.default_version
where a.name = any ($1::text[])
order by a.name
