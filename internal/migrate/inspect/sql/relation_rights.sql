-- What our role may do with each table and sequence. Row security is active where it would hide rows from us.
select n.nspname::text as schema,
    c.relname::text as name,
    c.relkind = 'S' as sequence,
    pg_get_userbyid(c.relowner)::text as owner,
    pg_has_role(c.relowner, 'USAGE') as owned,
    case when c.relkind = 'S' then has_sequence_privilege(c.oid, 'SELECT') else has_table_privilege(c.oid, 'SELECT') end as readable,
    c.relrowsecurity and row_security_active(c.oid) as filtered,
    c.relrowsecurity as row_security,
    array(select p.polname::text || case when p.polroles = '{0}' then '' else ' (to ' || array_to_string(
            array(select pg_get_userbyid(r) from unnest(p.polroles) r where r <> 0 order by 1), ', ') || ')' end
        from pg_policy p where p.polrelid = c.oid order by p.polname) as policies,
    array(select distinct pg_get_userbyid(r)::text from pg_policy p cross join unnest(p.polroles) r
        where p.polrelid = c.oid and r <> 0 order by 1) as policy_roles
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'S')
    and c.relpersistence <> 't'
    and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname, c.relname
