-- $1 names, $2 marks: the roles by name, and those that bear a mark though they have no business to be there any more.
select r.rolname::text as name, coalesce(d.description, '') as mark,
       r.rolcanlogin or r.rolcreaterole or r.rolcreatedb as ordinary_power,
       r.rolsuper or r.rolreplication or r.rolbypassrls as high_power,
       (select coalesce(array_agg(distinct pg_get_userbyid(m.roleid)::text), '{}') from pg_auth_members m where m.member = r.oid) as member_of,
       (select coalesce(array_agg(distinct pg_get_userbyid(m.member)::text), '{}') from pg_auth_members m where m.roleid = r.oid) as members,
       exists (select from pg_default_acl a where a.defaclrole = r.oid and a.defaclnamespace = 0 and a.defaclobjtype = 'f') as private_functions
from pg_roles r
left join pg_shdescription d on d.objoid = r.oid and d.classoid = 'pg_authid'::regclass
where r.rolname = any($1) or d.description = any($2)
order by 1
