-- Standbys, and how far their replay is behind in seconds (null: it has caught up) and bytes. Subscribers are no standbys; what
-- they keep on the server shows at their slots.
select coalesce(nullif(application_name, ''), client_addr::text, 'pid ' || pid), coalesce(extract(epoch from replay_lag), 0)::float8,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn)), 0)::float8
from pg_stat_replication r
where state in ('streaming', 'catchup')
  and not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')
