-- The server and the database. Columns that only some versions have are read through to_jsonb. Whether transactions are read
-- only by default is what the server says to a role's sessions, not what our own connection asked for.
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
    coalesce(
        (select split_part(c.setting, '=', 2)::boolean
        from pg_db_role_setting s cross join unnest(s.setconfig) as c (setting)
        where s.setdatabase in (0, d.oid) and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
            and c.setting like 'default\_transaction\_read\_only=%'
        order by s.setrole = 0, s.setdatabase = 0
        limit 1),
        (select setting::boolean and source not in ('client', 'session') from pg_settings where name = 'default_transaction_read_only')) as read_only,
    case when has_function_privilege('pg_control_system()', 'execute')
        then (select system_identifier::text from pg_control_system()) else '' end as system_identifier,
    pg_database_size(d.oid) as bytes,
    exists (select from pg_namespace where nspname = 'tenantctl_fence') as fenced
from pg_database d
where d.datname = current_database()
