-- What our role may do with the database itself, whom it may end sessions of, and which schemas are closed to it.
select pg_get_userbyid(d.datdba)::text as owner,
    pg_has_role(d.datdba, 'USAGE') as owned,
    has_database_privilege(d.oid, 'CREATE') as create_schema,
    pg_has_role('pg_signal_backend', 'USAGE') as end_sessions,
    array(select r.rolname::text from pg_roles r
        where r.rolcanlogin and not r.rolsuper and not pg_has_role(r.oid, 'USAGE') and has_database_privilege(r.oid, d.oid, 'CONNECT')
        order by r.rolname) as others,
    array(select n.nspname::text from pg_namespace n
        where left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence') and not has_schema_privilege(n.oid, 'USAGE')
        order by n.nspname) as closed_schemas,
    coalesce((select case when s.setrole = 0 then 'database' else 'role' end || case when s.setrole <> 0 and s.setdatabase <> 0 then ' here' else '' end
        from pg_db_role_setting s cross join unnest(s.setconfig) as c (setting)
        where s.setdatabase in (0, d.oid) and s.setrole in (0, (select oid from pg_roles where rolname = session_user))
            and c.setting like 'default\_transaction\_read\_only=%'
        order by s.setrole = 0, s.setdatabase = 0
        limit 1), 'server') as read_only_by,
    current_setting('max_locks_per_transaction')::integer
        * (current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer) as locks
from pg_database d
where d.datname = current_database()
