-- The columns of every relation of which one holds the identity of an object (regclass, regprocedure ...), in order: a text stored there is
-- that object's name.
select c.relname, array_agg(a.attname::text order by a.attnum), array_agg(t.typname like 'reg%' and t.typname <> 'regrole' and t.typnamespace = 'pg_catalog'::regnamespace order by a.attnum)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p', 'v') and left(n.nspname, 3) <> 'pg_' and n.nspname <> 'information_schema'
group by c.oid, c.relname
having bool_or(t.typname like 'reg%' and t.typname <> 'regrole')
order by c.oid
