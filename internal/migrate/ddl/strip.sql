-- What can be rebuilt after a load, of the tables $2 of schema $1: as kind, schema, name, definition, and how to drop it. Foreign keys
-- that point at these tables are among them. Comments follow what they are about.
with chosen as (
	select c.oid, c.relname, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relname = any($2::text[])
), part (rank, oid, kind, nspname, name, sql, dropped) as (
	select case c.contype when 'f' then 1 else 2 end, c.oid, case c.contype when 'f' then 'FK CONSTRAINT' else 'CONSTRAINT' end, n.nspname,
		t.relname || ' ' || c.conname,
		format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, t.relname, c.conname, pg_get_constraintdef(c.oid)),
		format('alter table %I.%I drop constraint if exists %I', n.nspname, t.relname, c.conname)
	from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
	where c.contype in ('f', 'p', 'u', 'x')
		-- a view that groups by the key, or a routine, holds on to it: that key stays
		and not exists (select from pg_depend d where d.refclassid = 'pg_constraint'::regclass and d.refobjid = c.oid
			and d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass))
		and (c.conrelid in (select oid from chosen) or (c.contype = 'f' and c.confrelid in (select oid from chosen)))
	union all
	select 3, i.oid, 'INDEX', n.nspname, i.relname, pg_get_indexdef(i.oid), format('drop index if exists %I.%I', n.nspname, i.relname)
	from pg_index x join chosen t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = i.relnamespace
	where not exists (select from pg_constraint c where c.conindid = i.oid and c.contype in ('p', 'u', 'x'))
	union all
	select 4, g.oid, 'TRIGGER', t.nspname, t.relname || ' ' || g.tgname, pg_get_triggerdef(g.oid)
		|| case g.tgenabled when 'O' then '' else format(E';\nALTER TABLE %I.%I %s TRIGGER %I', t.nspname, t.relname,
			case g.tgenabled when 'D' then 'DISABLE' when 'A' then 'ENABLE ALWAYS' else 'ENABLE REPLICA' end, g.tgname) end,
		format('drop trigger if exists %I on %I.%I', g.tgname, t.nspname, t.relname)
	from pg_trigger g join chosen t on t.oid = g.tgrelid
	where not g.tgisinternal
)
select kind, nspname, name, sql, dropped from (
	select rank, oid, 0 as comment, kind, nspname, name, sql, dropped from part
	union all
	select rank, oid, 1, 'COMMENT', nspname, name, format('COMMENT ON %s IS %L',
		case when kind like '%CONSTRAINT' then (select format('CONSTRAINT %I ON %I.%I', c.conname, p.nspname, t.relname)
				from pg_constraint c join pg_class t on t.oid = c.conrelid where c.oid = p.oid)
			when kind = 'INDEX' then format('INDEX %I.%I', nspname, name)
			else (select format('TRIGGER %I ON %I.%I', g.tgname, p.nspname, t.relname) from pg_trigger g join pg_class t on t.oid = g.tgrelid where g.oid = p.oid) end,
		d.description), ''
	from part p join pg_description d on d.objoid = p.oid and d.objsubid = 0
		and d.classoid = case when kind like '%CONSTRAINT' then 'pg_constraint'::regclass when kind = 'INDEX' then 'pg_class'::regclass else 'pg_trigger'::regclass end
) listed
order by comment, rank, oid
