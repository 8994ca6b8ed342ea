-- Tables of extensions that users put rows into, and the condition that tells the users' rows.
select e.extname::text as extension, n.nspname::text as schema, c.relname::text as name, coalesce(f.condition, '') as condition
from pg_extension e
cross join lateral unnest(e.extconfig, e.extcondition) as f (oid, condition)
join pg_class c on c.oid = f.oid
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
order by e.extname, n.nspname, c.relname
