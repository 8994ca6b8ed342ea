-- What belongs to the legacy schema besides tables, views and sequences: routines of the schemas named, triggers and rules of the
-- tables named.
select 'function' as kind, p.oid::regprocedure::text as shown
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname = any($2::text[])
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
union all
select 'trigger', quote_ident(t.tgname) || ' on ' || q.name::regclass
from unnest($1::text[]) q (name)
join pg_trigger t on t.tgrelid = q.name::regclass and not t.tgisinternal
union all
select 'rule', quote_ident(r.rulename) || ' on ' || q.name::regclass
from unnest($1::text[]) q (name)
join pg_rewrite r on r.ev_class = q.name::regclass
order by 1, 2
