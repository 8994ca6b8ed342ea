create table notification_preferences (
    user_id    text        primary key check (length(user_id) between 1 and 64),
    address    text        check (address ~ '^[^@[:space:]]+@[^@[:space:]]+$' and length(address) <= 320),
    mail       text        not null default 'off' check (mail in ('off', 'immediate', 'digest')),
    events     text[],
    updated_at timestamptz not null default now(),
    check (mail = 'off' or address is not null)
);

comment on table notification_preferences is 'Who wants to hear of what, and how.';
comment on column notification_preferences.events is 'Types of events; null: all.';
