-- $1 roles, $2 schemas: what the roles own in this database outside the schemas.
select pg_describe_object(d.classid, d.objid, d.objsubid) as name
from pg_shdepend d
join pg_roles r on r.oid = d.refobjid and d.refclassid = 'pg_authid'::regclass
where r.rolname = any($1) and d.deptype = 'o' and d.dbid = (select oid from pg_database where datname = current_database())
  and coalesce((pg_identify_object(d.classid, d.objid, d.objsubid)).schema, '') <> all ($2)
  and d.classid <> 'pg_default_acl'::regclass
order by 1
