-- What belongs to the legacy schema besides tables, views and sequences: routines, and the triggers and rules of the tables named.
select 'function' as kind, n.nspname, p.proname, p.oid::regprocedure::text as shown
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
union all
select 'trigger', n.nspname, c.relname, quote_ident(t.tgname) || ' on ' || q.name
from unnest($1::text[]) q (name)
join pg_trigger t on t.tgrelid = q.name::regclass and not t.tgisinternal
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
union all
select 'rule', n.nspname, c.relname, quote_ident(r.rulename) || ' on ' || q.name
from unnest($1::text[]) q (name)
join pg_rewrite r on r.ev_class = q.name::regclass
join pg_class c on c.oid = r.ev_class
join pg_namespace n on n.oid = c.relnamespace
order by 1, 4
