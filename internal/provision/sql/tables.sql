-- $1 schemas, $2 owner or '' for any: the tables, and about how many locks dropping one takes: itself, its indexes, its TOAST
-- table, and what its foreign keys lie on, for each of which either side has a trigger.
select format('%I.%I', n.nspname, c.relname) as identity,
       1 + (select count(*) from pg_index i where i.indrelid = c.oid) + case when c.reltoastrelid > 0 then 2 else 0 end
         + (select count(*) from pg_trigger t where t.tgrelid = c.oid and t.tgisinternal) as locks
from pg_namespace n
join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
where n.nspname = any($1) and ($2 = '' or c.relowner = (select oid from pg_roles where rolname = $2))
order by c.oid desc
