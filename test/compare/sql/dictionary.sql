-- Every name that a schema can be asked for, and whether an extension owns it.
with object (classid, oid, schema, name) as (
    select 'pg_catalog.pg_class'::regclass::oid, oid, relnamespace, relname::text from pg_catalog.pg_class
    union all select 'pg_catalog.pg_type'::regclass, oid, typnamespace, typname from pg_catalog.pg_type
    union all select 'pg_catalog.pg_proc'::regclass, oid, pronamespace, proname from pg_catalog.pg_proc
    union all select 'pg_catalog.pg_operator'::regclass, oid, oprnamespace, oprname from pg_catalog.pg_operator
    union all select 'pg_catalog.pg_collation'::regclass, oid, collnamespace, collname from pg_catalog.pg_collation
    union all select 'pg_catalog.pg_conversion'::regclass, oid, connamespace, conname from pg_catalog.pg_conversion
    union all select 'pg_catalog.pg_opclass'::regclass, oid, opcnamespace, opcname from pg_catalog.pg_opclass
    union all select 'pg_catalog.pg_opfamily'::regclass, oid, opfnamespace, opfname from pg_catalog.pg_opfamily
    union all select 'pg_catalog.pg_ts_config'::regclass, oid, cfgnamespace, cfgname from pg_catalog.pg_ts_config
    union all select 'pg_catalog.pg_ts_dict'::regclass, oid, dictnamespace, dictname from pg_catalog.pg_ts_dict
    union all select 'pg_catalog.pg_ts_parser'::regclass, oid, prsnamespace, prsname from pg_catalog.pg_ts_parser
    union all select 'pg_catalog.pg_ts_template'::regclass, oid, tmplnamespace, tmplname from pg_catalog.pg_ts_template
    union all select 'pg_catalog.pg_statistic_ext'::regclass, oid, stxnamespace, stxname from pg_catalog.pg_statistic_ext
)
select distinct n.nspname::text as schema, o.name, d.objid is not null as extension
  from object o
  join pg_catalog.pg_namespace n on n.oid = o.schema
  left join pg_catalog.pg_depend d on d.classid = o.classid and d.objid = o.oid and d.deptype = 'e'
 where n.nspname = any($1) or d.objid is not null and n.nspname <> 'pg_catalog'
