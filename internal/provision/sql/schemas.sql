-- $1 names, $2 marks: the tenants' schemas by name, and those beside them by mark.
select n.nspname::text as name, pg_get_userbyid(n.nspowner)::text as owner, coalesce(d.description, '') as mark,
       (select coalesce(jsonb_agg(jsonb_build_object('to', case a.grantee when 0 then '' else pg_get_userbyid(a.grantee) end, 'may', a.privilege_type)), '[]')
        from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a) as grants
from pg_namespace n
left join pg_description d on d.objoid = n.oid and d.classoid = 'pg_namespace'::regclass and d.objsubid = 0
where n.nspname = any($1) or d.description = any($2)
order by 1
