-- Tables, views, materialized views and sequences that no extension owns.
select c.oid,
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as kind,
    c.relpersistence = 'u' as unlogged,
    c.relispartition as is_partition,
    c.relrowsecurity as row_security,
    exists (
        select from pg_constraint k join pg_depend o on o.classid = 'pg_constraint'::regclass and o.objid = k.oid
        where k.conrelid = c.oid and k.contype = 'c' and o.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass) and o.refobjid >= 16384
    ) as own_checks,
    pg_get_userbyid(c.relowner)::text as owner,
    c.reltuples::double precision as tuples,
    c.relpages::bigint as analyzed_pages,
    s.pages,
    s.pages * s.block_size + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) as bytes,
    coalesce(pg_relation_filenode(c.oid), 0) as filenode
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    select current_setting('block_size')::bigint as block_size,
        case when c.relkind in ('r', 'm') then coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint else 0 end as pages) s
where c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')
    and c.relpersistence <> 't'
    and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname, c.relname
