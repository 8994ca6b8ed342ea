create table conversations (
    id         bigint      generated always as identity primary key,
    subject    text        not null check (length(subject) between 1 and 200),
    created_by text        not null check (length(created_by) between 1 and 64),
    created_at timestamptz not null default now()
);

create table participants (
    conversation_id bigint not null references conversations on delete cascade,
    user_id         text   not null check (length(user_id) between 1 and 64),
    last_read       bigint not null default 0,
    primary key (conversation_id, user_id)
);

create index participants_user_idx on participants (user_id, conversation_id);

comment on table conversations is 'What users talk about with one another.';
comment on table participants is 'Who sees a conversation; nobody else does.';
comment on column participants.last_read is 'The newest message that the user has read; 0: none.';
