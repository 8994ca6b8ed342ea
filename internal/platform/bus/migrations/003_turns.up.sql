-- Tenants take turns: whose turn it is, and what of theirs comes next, are looked up by role. Whether an event was handled is looked
-- up by its id, to see how much of a tenant's is under way.
create index outbox_turns_idx on outbox (role, seq) where sent_at is null and due_at is null;
drop index outbox_waiting_idx;

alter table inbox drop constraint inbox_pkey;
alter table inbox add primary key (id, consumer, role);
