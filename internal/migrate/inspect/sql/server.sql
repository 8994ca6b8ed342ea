-- The server and the database. Columns that only some versions have are read through to_jsonb.
select current_setting('server_version_num')::integer as version_num,
    d.datname::text as database,
    current_user::text as "user",
    (select rolsuper from pg_roles where rolname = current_user) as superuser,
    pg_encoding_to_char(d.encoding)::text as encoding,
    d.datcollate::text as "collate",
    d.datctype::text as ctype,
    coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as locale_provider,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') as locale,
    current_setting('wal_level') as wal_level,
    pg_is_in_recovery() as in_recovery,
    current_setting('default_transaction_read_only')::boolean as read_only,
    case when has_function_privilege('pg_control_system()', 'execute')
        then (select system_identifier::text from pg_control_system()) else '' end as system_identifier,
    pg_database_size(d.oid) as bytes,
    exists (select from pg_namespace where nspname = 'tenantctl_fence') as fenced
from pg_database d
where d.datname = current_database()
