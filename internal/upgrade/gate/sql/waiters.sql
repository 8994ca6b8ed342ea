-- $1 seconds after which a wait counts: how many sessions wait for a lock for longer, and how long the longest of them does.
-- Advisory locks are an application's own affair. Before PostgreSQL 14 nothing tells since when a session waits, so that its
-- statement's age has to do.
select count(*), coalesce(max(waited), 0)::float8
from (
  select a.pid,
         max(extract(epoch from clock_timestamp() - case when to_jsonb(l) ? 'waitstart' then (to_jsonb(l) ->> 'waitstart')::timestamptz
                                                    else a.query_start end)) as waited
  from pg_stat_activity a
  join pg_locks l on l.pid = a.pid and not l.granted
  where a.datname = current_database() and a.wait_event_type = 'Lock' and a.wait_event <> 'advisory'
  group by a.pid
) w
where waited > $1
