-- Sizes of tables by schema and name.
select n.nspname, c.relname,
    case
        when exists (select from pg_catalog.pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock') then c.relpages::bigint * 8192
        else coalesce(pg_catalog.pg_total_relation_size(c.oid), 0)
    end
from unnest($1::text[]) as s (schema)
cross join unnest($2::text[]) as t (name)
join pg_catalog.pg_namespace n on n.nspname = s.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.name and c.relkind in ('r', 'm')
