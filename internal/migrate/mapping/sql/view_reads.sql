-- Which relations each view of the legacy schema reads.
select vn.nspname, v.relname, rn.nspname, r.relname
from pg_class v
join pg_namespace vn on vn.oid = v.relnamespace
join pg_rewrite w on w.ev_class = v.oid
join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
join pg_class r on r.oid = d.refobjid and r.oid <> v.oid
join pg_namespace rn on rn.oid = r.relnamespace
where v.relkind in ('v', 'm') and vn.nspname not like 'pg\_%' and vn.nspname <> 'information_schema'
    and rn.nspname not like 'pg\_%' and rn.nspname <> 'information_schema'
group by 1, 2, 3, 4
order by 1, 2, 3, 4
