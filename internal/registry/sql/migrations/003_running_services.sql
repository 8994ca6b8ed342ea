-- What runs of the platform, as each process says of itself. Whoever hasn't been heard of for a while is taken for dead.
create table tenantctl.running_service (
    id         text collate "C" primary key,
    service    text collate "C" not null,
    url        text not null default '',
    build      text not null,
    serves     jsonb not null default '{}',
    calls      text[] not null default '{}',
    started_at timestamptz not null default now(),
    heartbeat  timestamptz not null default now(),
    constraint running_service_id_is_given check (id <> ''),
    constraint running_service_is_named check (service <> '')
) with (fillfactor = 50);
