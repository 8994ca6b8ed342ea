alter table inbox drop constraint inbox_pkey;
alter table inbox add primary key (role, consumer, id);

create index outbox_waiting_idx on outbox (seq) where sent_at is null and due_at is null;
drop index outbox_turns_idx;
