create table notifications (
    id         bigint      generated always as identity primary key,
    user_id    text        not null,
    event_id   uuid        not null,
    type       text        not null,
    subject    text        not null,
    body       text        not null,
    waiting    boolean     not null default false,
    created_at timestamptz not null default now(),
    read_at    timestamptz,
    unique (user_id, event_id)
);

create index notifications_newest_idx on notifications (user_id, id desc);
create index notifications_waiting_idx on notifications (user_id, id) where waiting;

comment on table notifications is 'What users were told of, in the application.';
comment on column notifications.waiting is 'It is still to go into the user''s daily mail.';
