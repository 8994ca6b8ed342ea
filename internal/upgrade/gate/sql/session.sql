-- What this session may see: nothing of others without the role, nothing of anybody with track_activities off.
select current_user::text, pg_is_in_recovery(), pg_has_role('pg_read_all_stats', 'usage'), current_setting('track_activities') = 'on'
