drop table audit_log, settings, "Users", schema_info;
