-- Inheritance and partition parents.
select h.inhrelid as "table", p.oid, n.nspname::text as schema, p.relname::text as name
from pg_inherits h
join pg_class c on c.oid = h.inhrelid
join pg_class p on p.oid = h.inhparent
join pg_namespace n on n.oid = p.relnamespace
where c.relkind in ('r', 'p', 'f')
order by h.inhrelid, h.inhseqno
