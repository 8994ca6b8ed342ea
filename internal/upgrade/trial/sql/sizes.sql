-- About how large schemas are. Tables that were never vacuumed have no pages in the catalog yet, but rows in the statistics.
select n.nspname, coalesce(sum(greatest(c.relpages::bigint * 8192, pg_catalog.pg_stat_get_live_tuples(c.oid) * 64)), 0)::bigint
from pg_catalog.pg_namespace n
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'm')
where n.nspname = any ($1)
group by 1
