-- Counts of failed log-ins. Keys are hashes: people type passwords where a login belongs.
create table login_attempts (
    kind          text        not null check (kind in ('login', 'address', 'pair')),
    key           text        not null,
    failures      integer     not null default 0,
    failed_at     timestamptz,
    blocked_until timestamptz,
    succeeded_at  timestamptz,
    touched_at    timestamptz not null default now(),
    primary key (kind, key)
);

create index login_attempts_touched_idx on login_attempts (touched_at);

comment on table login_attempts is 'Failed log-ins by login, by address, and by both together where they have succeeded together before.';
