create table notification_mails (
    id         uuid        primary key default gen_random_uuid(),
    cause      text        not null unique,
    user_id    text        not null,
    address    text        not null,
    subject    text        not null,
    body       text        not null,
    created_at timestamptz not null default now(),
    sent_at    timestamptz
);

create index notification_mails_unsent_idx on notification_mails (created_at) where sent_at is null;

comment on table notification_mails is 'Mails, sent and to be sent.';
comment on column notification_mails.cause is 'The event and the user, of which there is one mail.';
