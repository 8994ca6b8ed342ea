-- Tables partitioned by range over the default collation: which partition a row belongs to depends on it.
select p.partrelid::regclass::text
from pg_partitioned_table p
join pg_class c on c.oid = p.partrelid
join pg_namespace n on n.oid = c.relnamespace
where p.partstrat = 'r' and 100 /* the default collation */ = any (p.partcollation::oid[])
    and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
order by 1
