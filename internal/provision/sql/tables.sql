-- $1 schemas, $2 owner or '' for any: the tables, and how many locks dropping one takes.
select format('%I.%I', n.nspname, c.relname) as identity,
       1 + (select count(*) from pg_index i where i.indrelid = c.oid) + case when c.reltoastrelid > 0 then 2 else 0 end
         + (select count(*) from pg_constraint f where f.contype = 'f' and (f.conrelid = c.oid or f.confrelid = c.oid)) as locks
from pg_namespace n
join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
where n.nspname = any($1) and ($2 = '' or c.relowner = (select oid from pg_roles where rolname = $2))
order by c.oid desc
