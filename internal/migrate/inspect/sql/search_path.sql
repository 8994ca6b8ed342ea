-- The search path that the server gives to a session of ours, by precedence: role in this database, role, database, every
-- role, configuration. What our own connection asked for doesn't count.
select coalesce(
    (select substr(c.setting, length('search_path=') + 1)
    from pg_db_role_setting s cross join unnest(s.setconfig) as c (setting)
    where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
        and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
        and c.setting like 'search\_path=%'
    order by s.setrole = 0, s.setdatabase = 0
    limit 1),
    (select case when source in ('client', 'session', 'interactive') then boot_val else reset_val end
    from pg_settings where name = 'search_path')) as path,
    session_user::text as "user",
    array(select nspname::text from pg_namespace
        where left(nspname, 3) <> 'pg_' and nspname not in ('information_schema', 'tenantctl_fence')) as schemas
