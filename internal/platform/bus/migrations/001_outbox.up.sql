-- One table for all tenants of the instance: a relay that had to look into each tenant's schema would be busy with looking. PUBLIC
-- is no more than the tenants' roles: nobody else may use the schema. They may add rows, of the columns named, and nothing else:
-- whose a row is, and its place in the order, they can't say.
create table outbox (
    seq         bigint      generated always as identity primary key,
    role        text        not null default current_user,
    id          uuid        not null,
    type        text        not null check (type ~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$' and length(type) <= 100),
    version     integer     not null check (version > 0),
    occurred_at timestamptz not null default now(),
    traceparent text        check (length(traceparent) <= 55),
    payload     jsonb       not null check (octet_length(payload::text) <= 262144),
    due_at      timestamptz,
    returned    integer     not null default 0,
    sent_at     timestamptz
);

-- What waits, in order; what isn't due yet; what was sent.
create index outbox_waiting_idx on outbox (seq) where sent_at is null and due_at is null;
create index outbox_due_idx on outbox (due_at) where due_at is not null;
create index outbox_sent_idx on outbox (sent_at) where sent_at is not null;

alter table outbox enable row level security;
create policy own on outbox for insert with check (role = current_user);
grant insert (id, type, version, traceparent, payload, due_at) on outbox to public;

comment on table outbox is 'Events on their way to the broker, and what was sent in the last day.';
comment on column outbox.role is 'The tenant''s role of the service that published it.';
comment on column outbox.due_at is 'Not to be sent before; null: at once.';
comment on column outbox.returned is 'How often the broker had no queue for it.';
