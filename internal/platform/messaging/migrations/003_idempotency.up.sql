-- Written in the transaction of the write that a key names, so that there is an answer exactly where there is a write. Rows are
-- of use for a day; each write with a key takes some older ones away.
create table messaging_idempotency (
    subject    text        not null,
    key        text        not null check (length(key) between 1 and 255),
    request    bytea       not null,
    status     smallint    not null default 0,
    header     jsonb       not null default '{}',
    body       bytea,
    created_at timestamptz not null default now(),
    primary key (subject, key)
);

create index messaging_idempotency_created_idx on messaging_idempotency (created_at);

comment on table messaging_idempotency is 'Answers to writes that were sent with an Idempotency-Key.';
comment on column messaging_idempotency.subject is 'Whose key it is: a user''s id.';
comment on column messaging_idempotency.request is 'Digest of the request, to find out a key that is used for another.';
