-- The tables in which django-tenants, or django-tenant-schemas before it, keeps the fleet: a column schema_name, and domains in
-- it or in a table that refers to it.
select format('%I.%I', n.nspname, c.relname) as name
from pg_namespace n
join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
where n.nspname = 'public'
  and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'schema_name' and a.atttypid in ('text'::regtype, 'varchar'::regtype))
  and (exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'domain_url')
       or exists (select from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'domain' where k.contype = 'f' and k.confrelid = c.oid))
order by 1
