-- What was sent is kept as a position of each sink (tenantctl_operator.sink): there are several, and events are written once.
alter table tenantctl.event drop column published_at;
