-- The records of the program itself, in the control database. Everything that changes a tenant writes its event in the same
-- transaction; what must be unique, rising or final is so by the schema, not by the good manners of one version of the program.

create table tenantctl.tenant (
    name        text collate "C" primary key,
    instance    text collate "C" not null,
    schema      text not null,
    ring        text not null default '',
    state       text not null default 'active',
    services    text[] not null default '{}',
    limits      jsonb not null default '{}',
    versions    jsonb not null default '{}',
    search_path text[] not null default '{}',
    upstream    text not null default '',
    legacy      boolean not null default false,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    constraint tenant_name_is_a_slug check (name ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$' and name not like '%--%'),
    constraint tenant_has_an_instance check (instance <> ''),
    constraint tenant_schema_is_an_identifier check (octet_length(schema) between 1 and 63),
    constraint tenant_state_is_known check (state in ('active', 'suspended', 'archived', 'deleted')),
    constraint tenant_limits_are_an_object check (jsonb_typeof(limits) = 'object'),
    constraint tenant_versions_are_an_object check (jsonb_typeof(versions) = 'object'),
    constraint tenant_schema_is_its_own unique (instance, schema)
);

-- A seat is a tenant's place in a cell. It is taken before the tenant's roles are made, hence before there is a row of the
-- tenant. How full a cell is, is counted, so that it can't be wrong.
create table tenantctl.cell (
    instance  text collate "C" not null,
    number    integer not null,
    opened_at timestamptz not null default now(),
    primary key (instance, number),
    constraint cell_number_is_positive check (number > 0)
);

create table tenantctl.seat (
    tenant   text collate "C" primary key,
    instance text collate "C" not null,
    cell     integer not null,
    taken_at timestamptz not null default now(),
    foreign key (instance, cell) references tenantctl.cell (instance, number)
);
create index seat_by_cell on tenantctl.seat (instance, cell);

-- Operations outlive their tenant: they are its history. Progress is updated every second or so, hence the room on the pages
-- and no index on what changes.
create table tenantctl.operation (
    number     bigint generated always as identity unique,
    id         text collate "C" primary key default gen_random_uuid()::text,
    kind       text collate "C" not null,
    tenant     text collate "C" not null,
    state      text not null default 'running',
    phase      text not null default '',
    actor      text not null,
    reason     text not null default '',
    error      text not null default '',
    detail     jsonb,
    progress   jsonb,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint operation_kind_is_given check (kind <> ''),
    constraint operation_state_is_known check (state in ('running', 'failed', 'stopped', 'done', 'rolled-back'))
) with (fillfactor = 70);
create unique index operation_unfinished on tenantctl.operation (tenant, kind) where state in ('running', 'failed', 'stopped');
create index operation_by_tenant on tenantctl.operation (tenant, number desc);

-- One row for each fact about a step: started, then done or failed; voided when a rollback or retry makes it undone.
create table tenantctl.journal (
    id        bigint generated always as identity primary key,
    operation text collate "C" not null references tenantctl.operation (id),
    step      text collate "C" not null,
    attempt   integer not null,
    state     text not null,
    actor     text not null,
    reason    text not null default '',
    error     text not null default '',
    at        timestamptz not null default clock_timestamp(),
    constraint journal_step_is_given check (step <> ''),
    constraint journal_attempt_is_positive check (attempt > 0),
    constraint journal_state_is_known check (state in ('started', 'done', 'failed', 'voided'))
);
create unique index journal_attempt on tenantctl.journal (operation, step, attempt) where state = 'started';
create index journal_by_step on tenantctl.journal (operation, step, attempt desc, id desc);

create function tenantctl.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'object_not_in_prerequisite_state';
end $$;
create trigger journal_is_append_only before update or delete or truncate on tenantctl.journal
    for each statement execute function tenantctl.refuse_change();

create table tenantctl.report (
    operation text collate "C" not null references tenantctl.operation (id),
    kind      text collate "C" not null,
    body      jsonb not null,
    at        timestamptz not null default now(),
    primary key (operation, kind),
    constraint report_kind_is_given check (kind <> '')
);

-- The row tells who holds a lease; the advisory lock of that session is what holds it. Rows stay after a release, because
-- their token must never be given twice.
create table tenantctl.lease (
    name         text collate "C" primary key,
    token        bigint not null,
    holder       text not null,
    backend_pid  integer not null,
    acquired_at  timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    released_at  timestamptz,
    constraint lease_name_is_given check (name <> ''),
    constraint lease_token_is_positive check (token > 0)
) with (fillfactor = 70);

-- The advisory lock of a lease: negative, which keeps it apart from the locks of this program that count.
create function tenantctl.lease_key(name text) returns bigint language sql immutable as $$
    select hashtextextended(name, 0) | (1::bigint << 63)
$$;

-- The leases that a session holds now. A session that took the lock and hasn't yet written its row shows the row of the
-- holder before it, which then has another backend_pid.
create view tenantctl.held_lease as
    select l.name, l.token, l.holder, l.backend_pid, l.acquired_at, l.heartbeat_at, l.released_at, k.pid
    from tenantctl.lease as l
    join pg_locks as k on ((k.classid::bigint << 32) | k.objid::bigint) = tenantctl.lease_key(l.name)
    where k.locktype = 'advisory' and k.objsubid = 1 and k.granted
      and k.database = (select oid from pg_database where datname = current_database());

create table tenantctl.override (
    tenant text collate "C" not null,
    kind   text collate "C" not null,
    value  text not null,
    actor  text not null,
    reason text not null default '',
    at     timestamptz not null default now(),
    primary key (tenant, kind),
    constraint override_kind_is_given check (kind <> ''),
    constraint override_actor_is_given check (actor <> '')
);

-- Epochs come from one row and not from a sequence: its lock lasts until the commit, so that epochs become visible in their
-- order, and a gateway that has seen an epoch has seen every change before it.
create table tenantctl.route_epoch (
    only_row boolean primary key default true,
    epoch    bigint not null default 0,
    constraint route_epoch_has_one_row check (only_row)
) with (fillfactor = 50);
insert into tenantctl.route_epoch default values;

create table tenantctl.route (
    tenant     text collate "C" primary key references tenantctl.tenant (name) on delete cascade,
    target     text not null,
    epoch      bigint not null unique,
    changed_at timestamptz not null default now(),
    actor      text not null,
    constraint route_target_is_known check (target in ('legacy', 'hold', 'platform'))
);

create table tenantctl.gateway (
    id         text collate "C" primary key,
    seen_epoch bigint not null,
    heartbeat  timestamptz not null default now(),
    constraint gateway_id_is_given check (id <> '')
) with (fillfactor = 50);

-- Events: append-only, and the outbox of what goes to the broker.
create table tenantctl.event (
    id           bigint generated always as identity primary key,
    at           timestamptz not null default clock_timestamp(),
    type         text collate "C" not null,
    tenant       text collate "C" not null default '',
    actor        text not null default '',
    message      text not null,
    data         jsonb,
    published_at timestamptz,
    constraint event_type_is_given check (type <> '')
);
create index event_by_tenant on tenantctl.event (tenant, id);
create index event_unpublished on tenantctl.event (id) where published_at is null;

-- Ids of events are given before their transactions commit, so a reader that has seen id 8 may yet miss id 7. Each writer
-- therefore says, before it takes an id, that all of its ids lie above the last one given so far: as an advisory lock, which
-- ends exactly when its transaction does, whichever way. A reader stops at the lowest such bound. (Waiting for the oldest
-- transaction id, the usual remedy, would stop every reader for as long as any long copy runs on the same server, and break
-- when this database is restored on another one.)
create function tenantctl.event_last_id() returns bigint language sql volatile as $$
    select case when is_called then last_value else last_value - 1 end from tenantctl.event_id_seq
$$;

create function tenantctl.event_begin() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared((7628142::bigint << 40) | tenantctl.event_last_id());
    return null;
end $$;
create trigger event_begin before insert on tenantctl.event for each statement execute function tenantctl.event_begin();

create function tenantctl.event_tell() returns trigger language plpgsql as $$
begin
    perform pg_notify('tenantctl_event', '');
    return null;
end $$;
create trigger event_tell after insert on tenantctl.event for each row execute function tenantctl.event_tell();

-- The last id at or below which nothing can appear any more. The last id given is read before the locks are (the locks' query
-- depends on it): a writer that isn't among them then has either finished or will take a higher id.
create function tenantctl.event_horizon() returns bigint language sql volatile as $$
    select least(given.id, bound.id)
    from (select tenantctl.event_last_id() as id offset 0) as given
    cross join lateral (
        select min(((l.classid::bigint << 32) | l.objid::bigint) & ((1::bigint << 40) - 1)) as id
        from pg_locks as l
        where given.id >= 0 and l.locktype = 'advisory' and l.objsubid = 1
          and l.database = (select oid from pg_database where datname = current_database())
          and ((l.classid::bigint << 32) | l.objid::bigint) >> 40 = 7628142
    ) as bound
$$;
