-- $1 schemas: their invalid indexes, found through what depends on each schema. Not those being built right now, and not the
-- heads of partitioned ones, which stay invalid until the last partition has its index.
select format('%I.%I', n.nspname, i.relname)
from pg_namespace n
join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.classid = 'pg_class'::regclass
join pg_index x on x.indrelid = d.objid
join pg_class i on i.oid = x.indexrelid
where n.nspname = any($1) and not x.indisvalid and i.relkind = 'i'
  and not exists (select from pg_stat_progress_create_index p where p.index_relid = x.indexrelid)
order by 1
