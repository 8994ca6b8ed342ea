-- Tables being vacuumed now. One that prevents wraparound doesn't give way to a lock request.
select p.pid,
    c.oid::regclass::text as "table",
    pg_relation_size(c.oid) as bytes,
    coalesce(a.query like 'autovacuum:%(to prevent wraparound)%', false) as wraparound
from pg_stat_progress_vacuum p
join pg_class c on c.oid = p.relid
left join pg_stat_activity a on a.pid = p.pid
where p.datname = current_database() and c.relkind in ('r', 'm')
order by c.oid::regclass::text
