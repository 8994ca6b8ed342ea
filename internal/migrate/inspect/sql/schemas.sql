-- The users' schemas: those that hold an object of no extension, and empty ones other than public.
with held (schema, classid, oid) as (
    select relnamespace, 'pg_class'::regclass, oid from pg_class where relpersistence <> 't'
    union all select typnamespace, 'pg_type'::regclass, oid from pg_type where typrelid = 0 and typelem = 0
    union all select pronamespace, 'pg_proc'::regclass, oid from pg_proc
    union all select oprnamespace, 'pg_operator'::regclass, oid from pg_operator
    union all select opcnamespace, 'pg_opclass'::regclass, oid from pg_opclass
    union all select opfnamespace, 'pg_opfamily'::regclass, oid from pg_opfamily
    union all select collnamespace, 'pg_collation'::regclass, oid from pg_collation
    union all select connamespace, 'pg_conversion'::regclass, oid from pg_conversion
    union all select stxnamespace, 'pg_statistic_ext'::regclass, oid from pg_statistic_ext
    union all select cfgnamespace, 'pg_ts_config'::regclass, oid from pg_ts_config
    union all select dictnamespace, 'pg_ts_dict'::regclass, oid from pg_ts_dict
    union all select prsnamespace, 'pg_ts_parser'::regclass, oid from pg_ts_parser
    union all select tmplnamespace, 'pg_ts_template'::regclass, oid from pg_ts_template
), counted as (
    select h.schema, count(*) filter (where d.objid is null) as own
    from held h
    left join pg_depend d on d.classid = h.classid and d.objid = h.oid and d.deptype = 'e'
    where h.schema >= 16384 or h.schema = to_regnamespace('public')
    group by h.schema
)
select n.nspname::text
from pg_namespace n
left join counted c on c.schema = n.oid
where left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
    and (c.own > 0 or c.schema is null and n.nspname <> 'public' and not exists (
        select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e'))
order by n.nspname
