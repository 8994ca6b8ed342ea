-- Who holds up most of the sessions that wait for a lock, and doesn't wait itself; pid 0 is a prepared transaction. Each
-- pg_blocking_pids stops the lock manager for a moment, so it is asked about some of them only.
select coalesce(b.pid, 0), coalesce(b.usename::text, ''), coalesce(b.application_name, ''), case when h.pid = 0 then 'prepared' else coalesce(b.state, '') end,
       coalesce(extract(epoch from clock_timestamp() - b.xact_start), 0)::float8
from (
  select pid from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and wait_event <> 'advisory'
  order by query_start limit 20
) w
cross join lateral unnest(pg_blocking_pids(w.pid)) as h (pid)
left join pg_stat_activity b on b.pid = h.pid
where b.wait_event_type is distinct from 'Lock'
group by 1, 2, 3, 4, 5
order by count(*) desc, 5 desc
limit 1
