-- How large tables are in the tenants' schemas: of each name the largest. Estimates of the last ANALYZE, and pages as they are now.
select distinct on (c.relname)
    n.nspname as schema,
    c.relname as name,
    greatest(c.reltuples, 0)::bigint as rows,
    pg_relation_size(c.oid) as bytes,
    (c.reltuples < 0) as unknown
from unnest($1::text[]) as w (schema)
join pg_namespace n on n.nspname = w.schema
join pg_class c on c.relnamespace = n.oid and c.relname = any ($2) and c.relkind in ('r', 'm', 'p')
order by c.relname, pg_relation_size(c.oid) desc, c.reltuples desc
