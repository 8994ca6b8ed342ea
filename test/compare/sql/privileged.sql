-- What runs with its owner's rights and belongs to a superuser, or can be replaced by one who isn't the tenant's.
select 'function ' || p.oid::regprocedure || ' runs as ' || r.rolname || ', a superuser'
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_roles r on r.oid = p.proowner
 where n.nspname = any($1) and p.prosecdef and r.rolsuper
union all
select 'view ' || c.oid::regclass || ' reads as ' || r.rolname || ', a superuser'
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_roles r on r.oid = c.relowner
 where n.nspname = any($1) and c.relkind in ('v', 'm') and r.rolsuper
union all
select 'schema ' || n.nspname || ' can be used by everybody'
  from pg_catalog.pg_namespace n cross join lateral aclexplode(n.nspacl) a
 where n.nspname = any($1) and a.grantee = 0
union all
select 'relation ' || c.oid::regclass || ' is open to everybody: ' || a.privilege_type
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace cross join lateral aclexplode(c.relacl) a
 where n.nspname = any($1) and a.grantee = 0
 order by 1
