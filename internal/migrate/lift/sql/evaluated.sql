-- Functions that the server calls by itself (in indexes, checks, generated columns, partition bounds) and that have no search_path of
-- their own: it may call them under another session's path. Body and language decide whether that matters.
select distinct p.oid, n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), l.lanname,
	coalesce(p.prosrc, ''), f.what
from (
	select d.refobjid as proc, 'index ' || d.objid::regclass as what
	from pg_depend d join pg_class c on c.oid = d.objid and c.relkind in ('i', 'I')
	where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_proc'::regclass
	union all
	select d.refobjid, 'constraint ' || c.conname || ' of ' || c.conrelid::regclass
	from pg_depend d join pg_constraint c on c.oid = d.objid and c.contype in ('c', 'x') and c.conrelid <> 0
	where d.classid = 'pg_constraint'::regclass and d.refclassid = 'pg_proc'::regclass
	union all
	select d.refobjid, 'generated column of ' || a.adrelid::regclass
	from pg_depend d join pg_attrdef a on a.oid = d.objid
	join pg_attribute t on t.attrelid = a.adrelid and t.attnum = a.adnum and t.attgenerated <> ''
	where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_proc'::regclass
) f
join pg_proc p on p.oid = f.proc
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
where p.oid >= 16384 and l.lanname in ('sql', 'plpgsql') and p.prokind = 'f' and p.prosqlbody is null
	and not exists (select from unnest(p.proconfig) c where c like 'search_path=%')
	and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by p.oid, f.what
