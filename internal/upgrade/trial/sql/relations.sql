-- Tables and views that are there outside the trial. Who waits for a table that somebody else has locked isn't us.
select c.oid::bigint as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, c.relfilenode::bigint as filenode,
    greatest(c.reltuples, 0)::bigint as rows,
    case
        when c.relkind in ('v', 'p') then 0
        when exists (select from pg_catalog.pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock') then c.relpages::bigint * 8192
        else coalesce(pg_catalog.pg_total_relation_size(c.oid), 0)
    end as bytes
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'm', 'v', 'f')
