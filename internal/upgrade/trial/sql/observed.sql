-- What this transaction holds and did so far, by table. Catalogs, whose numbers are below 16384, are left out.
select l.relation::bigint as oid, l.mode, coalesce(c.relfilenode, 0)::bigint as filenode,
    pg_catalog.pg_stat_get_xact_numscans(l.relation) as scans
from pg_catalog.pg_locks l
left join pg_catalog.pg_class c on c.oid = l.relation
where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.granted and l.relation >= 16384
