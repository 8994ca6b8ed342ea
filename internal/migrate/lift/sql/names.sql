-- Every object that can be named with a schema, whether one of that name is the client's own, and the extension that owns one ('' where none
-- does). Functions and operators are told apart from all else.
with object (classid, oid, schema, name) as (
	select 'pg_class'::regclass, oid, relnamespace, relname from pg_class where relkind <> 't'
	union all select 'pg_type'::regclass, oid, typnamespace, typname from pg_type where typelem = 0 or typlen <> -1
	union all select 'pg_proc'::regclass, oid, pronamespace, proname from pg_proc
	union all select 'pg_operator'::regclass, oid, oprnamespace, oprname from pg_operator
	union all select 'pg_opclass'::regclass, oid, opcnamespace, opcname from pg_opclass
	union all select 'pg_opfamily'::regclass, oid, opfnamespace, opfname from pg_opfamily
	union all select 'pg_collation'::regclass, oid, collnamespace, collname from pg_collation
	union all select 'pg_conversion'::regclass, oid, connamespace, conname from pg_conversion
	union all select 'pg_ts_config'::regclass, oid, cfgnamespace, cfgname from pg_ts_config
	union all select 'pg_ts_dict'::regclass, oid, dictnamespace, dictname from pg_ts_dict
	union all select 'pg_ts_parser'::regclass, oid, prsnamespace, prsname from pg_ts_parser
	union all select 'pg_ts_template'::regclass, oid, tmplnamespace, tmplname from pg_ts_template
	union all select 'pg_statistic_ext'::regclass, oid, stxnamespace, stxname from pg_statistic_ext
)
select n.nspname, coalesce(o.name, ''), coalesce(o.classid in ('pg_proc'::regclass, 'pg_operator'::regclass), false) as called,
    coalesce(bool_or(o.name is not null and e.oid is null), false), coalesce(max(e.extname), '')
from pg_namespace n
left join object o on o.schema = n.oid
left join pg_depend d on d.classid = o.classid and d.objid = o.oid and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
left join pg_extension e on e.oid = d.refobjid
where n.nspname not like 'pg\_%' and n.nspname <> 'information_schema' and n.nspname <> 'tenantctl_fence'
group by 1, 2, 3
