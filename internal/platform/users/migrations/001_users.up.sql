-- A user's id is text: what clients bring are numbers, and a token's subject has to stay what it was when they move.
create table users (
    id         text        primary key default gen_random_uuid()::text check (id <> '' and length(id) <= 64),
    login      text        not null unique check (login <> '' and length(login) <= 200),
    name       text,
    email      text,
    active     boolean     not null default true,
    extra      jsonb       not null default '{}' check (jsonb_typeof(extra) = 'object'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

comment on table users is 'Who works with this client''s data. Passwords are the service auth''s, by the user''s id.';
comment on column users.active is 'Who isn''t active can''t log in, and gets no new token.';
comment on column users.extra is 'Fields that only this client has.';
