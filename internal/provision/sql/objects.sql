-- $1 names of schemas: all in them that has an owner and doesn't belong to an extension. Names come back quoted and qualified,
-- as far as the session's search_path is empty.
with spaces as (
    select oid, nspname from pg_namespace where nspname = any($1)
), found as (
    select s.nspname, c.oid, 'pg_class'::regclass as catalog, c.relowner as owner,
           case c.relkind when 'S' then 'sequence' else 'table' end as class,
           case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end as word,
           c.relname as name, format('%I.%I', s.nspname, c.relname) as identity,
           coalesce(q.deptype in ('a', 'i'), false) as follows, coalesce(q.deptype = 'i', false) as hidden,
           coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner)) as acl,
           (select array_agg(x) from pg_attribute a, unnest(a.attacl) x where a.attrelid = c.oid and not a.attisdropped) as column_acl
    from spaces s
    join pg_class c on c.relnamespace = s.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    left join pg_depend q on c.relkind = 'S' and q.classid = 'pg_class'::regclass and q.objid = c.oid and q.objsubid = 0
        and q.refclassid = 'pg_class'::regclass and q.refobjsubid > 0 and q.deptype in ('a', 'i')
    union all
    select s.nspname, p.oid, 'pg_proc'::regclass, p.proowner, 'routine', case p.prokind when 'a' then 'aggregate' else 'routine' end, p.proname,
           format('%I.%I(%s)', s.nspname, p.proname, (select string_agg(format_type(t, null), ', ' order by i) from unnest(p.proargtypes) with ordinality as u (t, i))),
           false, false, coalesce(p.proacl, acldefault('f', p.proowner)), null
    from spaces s join pg_proc p on p.pronamespace = s.oid
    union all
    select s.nspname, t.oid, 'pg_type'::regclass, t.typowner, 'type', case t.typtype when 'd' then 'domain' else 'type' end, t.typname,
           format('%I.%I', s.nspname, t.typname), false, false, null, null
    from spaces s join pg_type t on t.typnamespace = s.oid
    where t.typtype in ('b', 'd', 'e', 'r') and t.typelem = 0 or t.typtype = 'c' and (select relkind = 'c' from pg_class where oid = t.typrelid)
    union all
    select s.nspname, c.oid, 'pg_collation'::regclass, c.collowner, 'other', 'collation', c.collname, format('%I.%I', s.nspname, c.collname), false, false, null, null
    from spaces s join pg_collation c on c.collnamespace = s.oid
    union all
    select s.nspname, c.oid, 'pg_conversion'::regclass, c.conowner, 'other', 'conversion', c.conname, format('%I.%I', s.nspname, c.conname), false, false, null, null
    from spaces s join pg_conversion c on c.connamespace = s.oid
    union all
    select s.nspname, o.oid, 'pg_operator'::regclass, o.oprowner, 'other', 'operator', o.oprname,
           format('%I.%s (%s, %s)', s.nspname, o.oprname, case o.oprleft when 0 then 'none' else format_type(o.oprleft, null) end, format_type(o.oprright, null)),
           false, false, null, null
    from spaces s join pg_operator o on o.oprnamespace = s.oid
    union all
    select s.nspname, o.oid, 'pg_opclass'::regclass, o.opcowner, 'other', 'operator class', o.opcname,
           format('%I.%I using %I', s.nspname, o.opcname, m.amname), false, false, null, null
    from spaces s join pg_opclass o on o.opcnamespace = s.oid join pg_am m on m.oid = o.opcmethod
    union all
    select s.nspname, o.oid, 'pg_opfamily'::regclass, o.opfowner, 'other', 'operator family', o.opfname,
           format('%I.%I using %I', s.nspname, o.opfname, m.amname), false, false, null, null
    from spaces s join pg_opfamily o on o.opfnamespace = s.oid join pg_am m on m.oid = o.opfmethod
    union all
    select s.nspname, c.oid, 'pg_ts_config'::regclass, c.cfgowner, 'other', 'text search configuration', c.cfgname, format('%I.%I', s.nspname, c.cfgname), false, false, null, null
    from spaces s join pg_ts_config c on c.cfgnamespace = s.oid
    union all
    select s.nspname, d.oid, 'pg_ts_dict'::regclass, d.dictowner, 'other', 'text search dictionary', d.dictname, format('%I.%I', s.nspname, d.dictname), false, false, null, null
    from spaces s join pg_ts_dict d on d.dictnamespace = s.oid
    union all
    select s.nspname, e.oid, 'pg_statistic_ext'::regclass, e.stxowner, 'other', 'statistics', e.stxname, format('%I.%I', s.nspname, e.stxname), false, false, null, null
    from spaces s join pg_statistic_ext e on e.stxnamespace = s.oid
)
select f.nspname::text as schema, f.class, f.word, f.name::text as name, f.identity, r.rolname::text as owner, f.follows, f.hidden,
       (select coalesce(jsonb_agg(jsonb_build_object('to', coalesce(g.rolname, ''), 'may', a.privilege_type)), '[]')
        from aclexplode(f.acl || f.column_acl) a left join pg_roles g on g.oid = a.grantee) as grants
from found f
join pg_roles r on r.oid = f.owner
where not exists (select from pg_depend d where d.classid = f.catalog and d.objid = f.oid and d.deptype = 'e')
order by 1, 2, 5
