create table messages (
    id              bigint      primary key,
    conversation_id bigint      not null references conversations on delete cascade,
    author          text        not null check (length(author) between 1 and 64),
    body            text        not null check (length(body) between 1 and 10000),
    created_at      timestamptz not null default now()
);

create index messages_newest_idx on messages (conversation_id, id desc);

-- Ids are given under the lock of this row, which is held until the transaction is committed: whoever sees a message sees all with
-- lower ids, too. A sequence gives ids before the commit, and a reader that saw 8 might miss a 7 that is committed later.
create table message_order (
    id   boolean primary key default true check (id),
    last bigint  not null default 0
);

insert into message_order default values;

comment on table messages is 'What users said, in the order in which it was committed.';
comment on table message_order is 'One row: the id of the newest message.';
