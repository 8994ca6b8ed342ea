-- $1 names, $2 marks: the tenants' schemas by name, and those beside them by mark.
select n.nspname::text as name, r.rolname::text as owner, coalesce(d.description, '') as mark,
       (select coalesce(jsonb_agg(jsonb_build_object('to', coalesce(g.rolname, ''), 'may', a.privilege_type)), '[]')
        from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a left join pg_roles g on g.oid = a.grantee) as grants
from pg_namespace n
join pg_roles r on r.oid = n.nspowner
left join pg_description d on d.objoid = n.oid and d.classoid = 'pg_namespace'::regclass and d.objsubid = 0
where n.nspname = any($1) or d.description = any($2)
order by 1
