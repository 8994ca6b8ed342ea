-- Who a user is, and what the login is now, the service users knows. The login here is the one that an old hash was made with.
create table credentials (
    user_id       text        primary key check (user_id <> ''),
    login         text        not null,
    hash          text        not null check (hash like '$argon2id$%' or hash ~ '^legacy-md5[$][0-9a-f]{32}$'),
    changed_at    timestamptz not null default now(),
    sessions_from timestamptz,
    last_login_at timestamptz
);

comment on table credentials is 'How users prove who they are.';
comment on column credentials.login is 'The user''s login when the hash was made: the old monolith mixed it into its hashes.';
comment on column credentials.hash is 'argon2id with its parameters; legacy-md5$ before the hash that a client brought, until the user''s first log-in.';
comment on column credentials.sessions_from is 'Refresh tokens issued before this moment are no longer good. Null: all are.';
