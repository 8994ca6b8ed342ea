-- The records of operators: who runs, what file the fleet follows, and what came of each tenant.

create table tenantctl_operator.replica (
    id         text collate "C" primary key,
    holder     text not null,            -- user@host pid N
    file       text not null,
    hash       text not null default '', -- of the file that it has; '' while it has none
    trouble    text not null default '', -- why what lies there now can't be read
    leads      boolean not null default false,
    started_at timestamptz not null default now(),
    heartbeat  timestamptz not null default now()
) with (fillfactor = 50);

-- What the fleet follows is the newest generation that isn't held. One is held that would take the service of many tenants away,
-- until somebody accepts it.
create table tenantctl_operator.generation (
    number      bigint primary key,
    hash        text not null,
    file        text not null,
    actor       text not null,
    held        text not null default '', -- why it waits; '' where it doesn't
    removals    text[] not null default '{}',
    tenants     text[] not null,             -- that it declares
    accepted_by text not null default '',
    at          timestamptz not null default now()
);

-- What came of a task for a tenant; of the tenant '', for the fleet.
create table tenantctl_operator.task (
    tenant   text collate "C" not null,
    task     text collate "C" not null,
    declared text not null,               -- digest of the declaration that it was done for, or that failed
    result   text not null,
    message  text not null default '',
    attempts integer not null default 0,  -- that failed, one after the other
    since    timestamptz not null default now(), -- when this declaration was first worked on
    at       timestamptz not null default now(),
    retry_at timestamptz,
    primary key (tenant, task),
    constraint task_result_is_known check (result in ('settled', 'failed', 'refused', 'waiting'))
) with (fillfactor = 70);

-- What sinks outside have got of the events.
create table tenantctl_operator.sink (
    name     text collate "C" primary key,
    position bigint not null,
    trouble  text not null default '',
    at       timestamptz not null default now()
) with (fillfactor = 50);
