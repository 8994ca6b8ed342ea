-- The columns of the tables of one schema, each with the type below its domains.
with recursive domain as (
    select t.oid, t.oid as base, -1 as typmod, t.typtype, t.typnotnull as not_null
    from pg_type t
    union all
    select d.oid, t.typbasetype, t.typtypmod, b.typtype, d.not_null or b.typnotnull
    from domain d
    join pg_type t on t.oid = d.base and t.typtype = 'd'
    join pg_type b on b.oid = t.typbasetype
), base as (
    select * from domain where typtype <> 'd'
)
select c.relname,
    a.attname,
    format_type(a.atttypid, a.atttypmod) as written,
    t.oid as type_oid,
    tn.nspname as type_schema,
    t.typname as type_name,
    m.modifier,
    format_type(t.oid, m.modifier) as type_written,
    array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
    a.attnotnull or base.not_null as not_null,
    a.atthasdef and a.attgenerated = '' as has_default,
    a.attgenerated <> '' as generated,
    a.attidentity::text as identity,
    coalesce((
        select s.relname::text
        from pg_depend d
        join pg_class s on s.oid = d.objid and s.relkind = 'S'
        where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
            and d.refobjid = c.oid and d.refobjsubid = a.attnum and d.deptype in ('a', 'i')
        union all
        select s.relname::text
        from pg_attrdef def
        join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = def.oid and d.refclassid = 'pg_class'::regclass
        join pg_class s on s.oid = d.refobjid and s.relkind = 'S'
        where def.adrelid = c.oid and def.adnum = a.attnum
        limit 1
    ), '') as sequence,
    array(
        with recursive chain as (
            select a.atttypid as oid
            union all
            select p.typbasetype from chain join pg_type p on p.oid = chain.oid and p.typtype = 'd'
        )
        select pg_get_expr(con.conbin, 0)
        from chain join pg_constraint con on con.contypid = chain.oid and con.contype = 'c'
        order by con.conname
    ) as domain_checks
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join base on base.oid = a.atttypid
join pg_type t on t.oid = base.base
join pg_namespace tn on tn.oid = t.typnamespace
cross join lateral (select case when a.atttypid = t.oid then a.atttypmod else base.typmod end as modifier) m
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition and c.relname not like 'schema\_migrations\_%'
order by c.relname, a.attnum
