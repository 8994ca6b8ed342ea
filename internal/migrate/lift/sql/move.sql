-- One ALTER for each object of a schema that no extension owns; what moves along with another object is left out. Routines and
-- operators go first: they are named by their argument types, which must still be where they were.
with own (classid, oid) as (
	select classid, objid from pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'e'
), here as (
	select oid from pg_namespace where nspname = $1
), statement (rank, oid, sql) as (
	select 3, c.oid, format('alter table %s set schema %I', c.oid::regclass, $2::text)
	from pg_class c
	where c.relnamespace = (select oid from here) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
		and ('pg_class'::regclass, c.oid) not in (select classid, oid from own)
		and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and c.relkind = 'S'
			and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i'))
	union all
	select 2, t.oid, format('alter type %s set schema %I', format_type(t.oid, null), $2::text)
	from pg_type t
	left join pg_class c on c.oid = t.typrelid
	where t.typnamespace = (select oid from here) and (c.oid is null or c.relkind = 'c')
		and not exists (select from pg_type e where e.typarray = t.oid)
		and ('pg_type'::regclass, t.oid) not in (select classid, oid from own)
		and (t.typrelid = 0 or ('pg_class'::regclass, t.typrelid) not in (select classid, oid from own))
	union all
	select 1, p.oid, format('alter %s %I.%I(%s) set schema %I',
		case p.prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end, $1, p.proname,
		case when p.prokind = 'a' and p.pronargs = 0 then '*' else pg_get_function_identity_arguments(p.oid) end, $2::text)
	from pg_proc p
	where p.pronamespace = (select oid from here) and ('pg_proc'::regclass, p.oid) not in (select classid, oid from own)
		-- a range type's constructors move with it
		and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i')
	union all
	select 1, o.oid, format('alter %s %s set schema %I', a.type, a.identity, $2::text)
	from (
		select 'pg_operator'::regclass as classid, oid, oprnamespace as schema from pg_operator
		union all select 'pg_opclass'::regclass, oid, opcnamespace from pg_opclass
		union all select 'pg_opfamily'::regclass, oid, opfnamespace from pg_opfamily
		union all select 'pg_collation'::regclass, oid, collnamespace from pg_collation
		union all select 'pg_conversion'::regclass, oid, connamespace from pg_conversion
		union all select 'pg_ts_config'::regclass, oid, cfgnamespace from pg_ts_config
		union all select 'pg_ts_dict'::regclass, oid, dictnamespace from pg_ts_dict
		union all select 'pg_ts_parser'::regclass, oid, prsnamespace from pg_ts_parser
		union all select 'pg_ts_template'::regclass, oid, tmplnamespace from pg_ts_template
		union all select 'pg_statistic_ext'::regclass, oid, stxnamespace from pg_statistic_ext
	) o
	cross join lateral pg_identify_object(o.classid, o.oid, 0) i
	cross join lateral (select case i.type when 'statistics object' then 'statistics' else i.type end as type, i.identity) a
	where o.schema = (select oid from here) and (o.classid, o.oid) not in (select classid, oid from own)
)
select sql from statement order by rank, oid
