-- Replication slots with the WAL that each keeps on the server; one that is lost keeps none. wal_status came with PostgreSQL 13.
select slot_name::text, active, coalesce(to_jsonb(s) ->> 'wal_status', '') = 'lost',
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::float8
from pg_replication_slots s
