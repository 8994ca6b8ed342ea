create table notification_templates (
    type       text        primary key,
    subject    text        not null check (length(subject) between 1 and 200),
    body       text        not null check (length(body) between 1 and 10000),
    updated_at timestamptz not null default now()
);

comment on table notification_templates is 'The tenant''s own words for an event, in place of the platform''s.';
