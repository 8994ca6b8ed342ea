-- $1 names of schemas: all in them that has an owner and doesn't belong to an extension. Names come back quoted and qualified,
-- as far as the session's search_path is empty. The way in is what depends on the schema, for which there is an index: it
-- costs what is in these schemas, not what is in all.
with member as materialized (
    select n.nspname, d.classid, d.objid
    from pg_namespace n
    join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.refobjsubid = 0 and d.deptype = 'n'
    where n.nspname = any($1)
), relation as (
    select m.nspname, c.*,
           (select q.deptype from pg_depend q where c.relkind = 'S' and q.classid = 'pg_class'::regclass and q.objid = c.oid and q.objsubid = 0
                and q.refclassid = 'pg_class'::regclass and q.refobjsubid > 0 and q.deptype in ('a', 'i') limit 1) as owned
    from member m
    join pg_class c on c.oid = m.objid
    where m.classid = 'pg_class'::regclass and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
), found as (
    select c.nspname, 'pg_class'::regclass as catalog, c.oid, c.relowner as owner,
           case c.relkind when 'S' then 'sequence' else 'table' end as class,
           case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end as word,
           c.relname as name, format('%I.%I', c.nspname, c.relname) as identity,
           c.owned is not null as follows, coalesce(c.owned = 'i', false) as hidden,
           coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner)) as acl,
           (select array_agg(x) from pg_attribute a, unnest(a.attacl) x where a.attrelid = c.oid and not a.attisdropped) as column_acl
    from relation c
    union all
    select m.nspname, m.classid, p.oid, p.proowner, 'routine', case p.prokind when 'a' then 'aggregate' else 'routine' end, p.proname,
           format('%I.%I(%s)', m.nspname, p.proname, (select string_agg(format_type(t, null), ', ' order by i) from unnest(p.proargtypes) with ordinality as u (t, i))),
           false, false, coalesce(p.proacl, acldefault('f', p.proowner)), null
    from member m join pg_proc p on p.oid = m.objid where m.classid = 'pg_proc'::regclass
        -- A range type's constructors belong to the server's first superuser whoever makes the type, and go with it.
        and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i')
    union all
    -- Row types of tables and arrays are not there: they depend on the table or element, not on the schema.
    select m.nspname, m.classid, t.oid, t.typowner, 'type', case t.typtype when 'd' then 'domain' else 'type' end, t.typname,
           format('%I.%I', m.nspname, t.typname), false, false, null, null
    from member m join pg_type t on t.oid = m.objid
    where m.classid = 'pg_type'::regclass and t.typtype in ('b', 'c', 'd', 'e', 'r')
    union all
    select m.nspname, m.classid, c.oid, c.collowner, 'other', 'collation', c.collname, format('%I.%I', m.nspname, c.collname), false, false, null, null
    from member m join pg_collation c on c.oid = m.objid where m.classid = 'pg_collation'::regclass
    union all
    select m.nspname, m.classid, c.oid, c.conowner, 'other', 'conversion', c.conname, format('%I.%I', m.nspname, c.conname), false, false, null, null
    from member m join pg_conversion c on c.oid = m.objid where m.classid = 'pg_conversion'::regclass
    union all
    select m.nspname, m.classid, o.oid, o.oprowner, 'other', 'operator', o.oprname,
           format('%I.%s (%s, %s)', m.nspname, o.oprname, case o.oprleft when 0 then 'none' else format_type(o.oprleft, null) end, format_type(o.oprright, null)),
           false, false, null, null
    from member m join pg_operator o on o.oid = m.objid where m.classid = 'pg_operator'::regclass
    union all
    select m.nspname, m.classid, o.oid, o.opcowner, 'other', 'operator class', o.opcname,
           format('%I.%I using %I', m.nspname, o.opcname, a.amname), false, false, null, null
    from member m join pg_opclass o on o.oid = m.objid join pg_am a on a.oid = o.opcmethod where m.classid = 'pg_opclass'::regclass
    union all
    select m.nspname, m.classid, o.oid, o.opfowner, 'other', 'operator family', o.opfname,
           format('%I.%I using %I', m.nspname, o.opfname, a.amname), false, false, null, null
    from member m join pg_opfamily o on o.oid = m.objid join pg_am a on a.oid = o.opfmethod where m.classid = 'pg_opfamily'::regclass
    union all
    select m.nspname, m.classid, c.oid, c.cfgowner, 'other', 'text search configuration', c.cfgname, format('%I.%I', m.nspname, c.cfgname), false, false, null, null
    from member m join pg_ts_config c on c.oid = m.objid where m.classid = 'pg_ts_config'::regclass
    union all
    select m.nspname, m.classid, d.oid, d.dictowner, 'other', 'text search dictionary', d.dictname, format('%I.%I', m.nspname, d.dictname), false, false, null, null
    from member m join pg_ts_dict d on d.oid = m.objid where m.classid = 'pg_ts_dict'::regclass
    union all
    select m.nspname, m.classid, e.oid, e.stxowner, 'other', 'statistics', e.stxname, format('%I.%I', m.nspname, e.stxname), false, false, null, null
    from member m join pg_statistic_ext e on e.oid = m.objid where m.classid = 'pg_statistic_ext'::regclass
)
select f.nspname::text as schema, f.class, f.word, f.name::text as name, f.identity, pg_get_userbyid(f.owner)::text as owner, f.follows, f.hidden,
       (select coalesce(jsonb_agg(jsonb_build_object('to', case a.grantee when 0 then '' else pg_get_userbyid(a.grantee) end, 'may', a.privilege_type)), '[]')
        from aclexplode(f.acl || f.column_acl) a) as grants
from found f
where (select count(*) from pg_depend d where d.classid = f.catalog and d.objid = f.oid and d.deptype = 'e') = 0
order by 1, 2, 5
