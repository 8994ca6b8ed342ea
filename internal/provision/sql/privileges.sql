-- $1 whether session_replication_role may be set.
with me as (
    select * from pg_roles where rolname = current_user
)
select f.privilege, me.rolsuper or f.have as have, f.without
from me,
lateral (values
    (1, 'CREATEROLE', me.rolcreaterole, 'no tenant can be provisioned: each has roles of its own'),
    (2, 'CREATE on the database', has_database_privilege(current_database(), 'CREATE'), 'no tenant can be provisioned: each has a schema of its own'),
    (3, 'owner of the database', pg_has_role((select datdba from pg_database where datname = current_database()), 'USAGE'),
        'logins of cells can''t be allowed to connect, the role that owns the schemas can''t be allowed to make them'),
    (4, 'CREATEDB', me.rolcreatedb, 'no scratch database on the instance: a lift needs PostgreSQL''s server programs on this machine'),
    (5, 'REPLICATION', me.rolreplication, 'no live moves to or back from this database: offline moves only'),
    (6, 'pg_signal_backend', pg_has_role('pg_signal_backend', 'USAGE'), 'sessions of other roles can''t be ended: who blocks a step is named, not stopped'),
    (7, 'SET session_replication_role', $1::boolean,
        'triggers of a client''s own can''t be kept from firing while changes are followed: live moves refuse tables that have them'),
    (8, 'BYPASSRLS', me.rolbypassrls, 'tables whose row security is forced can''t be read: moves and archives refuse them'),
    (9, 'pg_monitor', pg_has_role('pg_read_all_stats', 'USAGE'), 'sessions of other roles aren''t seen: the database gate of upgrades can''t tell who waits, and stays inconclusive')
) as f (place, privilege, have, without)
order by f.place
