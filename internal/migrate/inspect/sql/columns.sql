-- Live columns of tables.
select a.attrelid as "table",
    a.attname::text as name,
    format_type(a.atttypid, a.atttypmod) as type,
    a.atttypid as type_oid,
    a.atttypmod as modifier,
    a.attnotnull as not_null,
    a.attgenerated <> '' as generated,
    a.attgenerated <> '' and exists (
        select from pg_depend o
        where o.classid = 'pg_attrdef'::regclass and o.objid = d.oid and o.refobjid >= 16384
            and o.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_ts_config'::regclass, 'pg_ts_dict'::regclass, 'pg_collation'::regclass)
    ) as own_code,
    a.attidentity::text as identity,
    coalesce(pg_get_expr(d.adbin, d.adrelid), '') as "default"
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relkind in ('r', 'p', 'f')
    and c.relpersistence <> 't'
    and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
    and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
