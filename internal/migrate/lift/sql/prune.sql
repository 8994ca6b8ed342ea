-- Routines and types of the legacy database, how to drop each, and whether anything that is carried depends on it, directly or
-- through other objects.
with recursive own (classid, oid) as (
	select classid, objid from pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'e'
), needed (classid, objid) as (
	select 'pg_class'::regclass::oid, c.oid
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
	union
	select d.refclassid, d.refobjid
	from needed k
	join (
		select classid, objid, refclassid, refobjid from pg_depend where deptype in ('n', 'a', 'i', 'P', 'S')
		union all -- what hangs on a table is carried with it: defaults, constraints, triggers, indexes, rules, its row type
		select refclassid, refobjid, classid, objid from pg_depend
		where refclassid = 'pg_class'::regclass and classid <> 'pg_proc'::regclass and deptype in ('a', 'i', 'I')
	) d on d.classid = k.classid and d.objid = k.objid
)
select p.oid, format('drop routine if exists %s cascade', p.oid::regprocedure), p.proname::text, coalesce(p.prosrc, ''),
	exists (select from needed where classid = 'pg_proc'::regclass and objid = p.oid) as needed
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
	and ('pg_proc'::regclass, p.oid) not in (select classid, oid from own)
	and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i')
union all
select t.oid, format('drop type if exists %s cascade', t.oid::regtype), t.typname::text, '',
	exists (select from needed where classid = 'pg_type'::regclass and objid in (t.oid, t.typarray))
from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
where n.nspname not like 'pg\_%' and n.nspname <> 'information_schema' and t.typtype in ('b', 'c', 'd', 'e', 'r')
	and (c.oid is null or c.relkind = 'c') and not exists (select from pg_type e where e.typarray = t.oid)
	and ('pg_type'::regclass, t.oid) not in (select classid, oid from own)
