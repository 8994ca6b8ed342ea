-- All refresh tokens that follow from one log-in. Only the newest generation is good: another one was copied.
create table refresh_families (
    family     text        primary key,
    user_id    text        not null,
    generation integer     not null check (generation >= 0),
    revoked    text        check (revoked in ('logout', 'reuse', 'password', 'inactive')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

create index refresh_families_user_idx on refresh_families (user_id) where revoked is null;
create index refresh_families_expires_idx on refresh_families (expires_at);

comment on table refresh_families is 'Log-ins that may still be refreshed, and those that may not any more. A family that isn''t here was begun by the monolith before the client moved, and is taken over at its generation.';
comment on column refresh_families.expires_at is 'When the newest token of the family expires; until then the row has to stay, so that no old token is taken for one of an unknown family.';
