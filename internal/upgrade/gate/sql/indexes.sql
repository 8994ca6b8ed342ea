-- $1 schemas: their invalid indexes, found through what depends on each schema; "offset 0" keeps the planner from reading every
-- index of the fleet instead. Not those being built right now, and not the heads of partitioned ones, which stay invalid until
-- the last partition has its index.
select format('%I.%I', n.nspname, i.relname)
from pg_namespace n
cross join lateral (
  select objid from pg_depend
  where refclassid = 'pg_namespace'::regclass and refobjid = n.oid and classid = 'pg_class'::regclass
  offset 0
) d
cross join lateral (select indexrelid, indisvalid from pg_index where indrelid = d.objid offset 0) x
join pg_class i on i.oid = x.indexrelid
where n.nspname = any($1) and not x.indisvalid and i.relkind = 'i'
  and not exists (select from pg_stat_progress_create_index p where p.index_relid = x.indexrelid)
order by 1
