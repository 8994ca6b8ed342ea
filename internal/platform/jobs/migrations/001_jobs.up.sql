-- One queue for all tenants of the instance: who comes next can only be told where all are seen. PUBLIC is no more than the
-- tenants' roles: nobody else may use the schema. They add jobs, see and cancel their own, and write what came of them.
--
-- States: new (just submitted), backlog (behind the line, since its tenant has enough in it), ready (in line, at its place),
-- scheduled (not before due_at), running, and the ends done, failed, canceled.
create table job (
    id          uuid primary key,
    number      bigint           not null generated always as identity,
    queue       text             not null check (length(queue) between 1 and 63),
    role        text             not null default current_user,
    kind        text             not null check (length(kind) between 1 and 100),
    arguments   jsonb            not null default '{}' check (octet_length(arguments::text) <= 262144),
    cost        double precision not null check (cost > 0 and cost < 'infinity'),
    state       text             not null check (state in ('new', 'backlog', 'ready', 'scheduled', 'running', 'done', 'failed', 'canceled')),
    place       double precision,
    due_at      timestamptz      not null default now(),
    attempt     integer          not null default 0,
    failures    integer          not null default 0,
    cancel      boolean          not null default false,
    worker      text,
    leased_to   timestamptz,
    checkpoint  jsonb,
    progress    double precision not null default 0 check (progress between 0 and 1),
    result      jsonb,
    error       text,
    traceparent text             check (length(traceparent) <= 55),
    created_at  timestamptz      not null default now(),
    started_at  timestamptz,
    finished_at timestamptz,
    constraint job_in_line_has_a_place check (place is not null or state not in ('ready', 'running')),
    constraint job_running_has_a_lease check ((state = 'running') = (leased_to is not null)),
    constraint job_that_ended_has_a_time check ((state in ('done', 'failed', 'canceled')) = (finished_at is not null))
) with (fillfactor = 70);

-- One for each question: what came in, what is in line, what each tenant has in line or behind it, what is due, whose lease is
-- over, what may go. None has what another has.
create index job_new_idx on job (queue, number) where state = 'new';
create index job_line_idx on job (queue, place) where state = 'ready';
create index job_of_tenant_in_line_idx on job (queue, role, place) where state in ('new', 'ready', 'running');
create index job_backlog_idx on job (queue, role, number) where state = 'backlog';
create index job_scheduled_idx on job (queue, due_at) where state = 'scheduled';
create index job_running_idx on job (queue, role) where state = 'running';
create index job_finished_idx on job (finished_at) where finished_at is not null;
create index job_of_tenant_idx on job (role, number);

alter table job enable row level security;
create policy submit on job for insert with check (role = current_user and state in ('new', 'backlog', 'scheduled'));
create policy look on job for select using (role = current_user);
create policy change on job for update using (role = current_user) with check (role = current_user);
grant select, insert (id, queue, kind, arguments, cost, state, due_at, traceparent) on job to public;
grant update (state, cancel, checkpoint, progress, result, error, leased_to, finished_at) on job to public;

-- What a tenant may have of a queue's workers: told to the queue by the services, which hear it from the registry.
create table share (
    queue  text             not null,
    role   text             not null,
    weight double precision not null check (weight > 0),
    most   integer          not null check (most > 0),
    open   boolean          not null,
    primary key (queue, role)
);

-- Where the line of a queue stands: the place of the job that was taken last.
create table line (
    queue text primary key,
    place double precision not null default 0
) with (fillfactor = 50);

-- What comes again and again. The job of a time has an id that follows from it, so that each is submitted once.
create table schedule (
    role        text        not null default current_user,
    queue       text        not null check (length(queue) between 1 and 63),
    name        text        not null check (length(name) between 1 and 100),
    kind        text        not null check (length(kind) between 1 and 100),
    arguments   jsonb       not null default '{}',
    cost        double precision not null check (cost > 0 and cost < 'infinity'),
    spec        text        not null,
    zone        text        not null,
    next_at     timestamptz not null,
    primary key (queue, role, name)
);
create index schedule_next_idx on schedule (queue, next_at);

alter table schedule enable row level security;
create policy own on schedule using (role = current_user) with check (role = current_user);
grant select, insert, update, delete on schedule to public;

comment on table job is 'Work that tenants asked for, and what came of it in the last week.';
comment on column job.queue is 'The service whose workers do it.';
comment on column job.role is 'The tenant''s role of that service.';
comment on column job.cost is 'Seconds of work that it is taken to be.';
comment on column job.attempt is 'Counts how often it was taken; an attempt with an older number can''t complete.';
comment on table share is 'What each tenant may have of a queue''s workers.';
comment on table line is 'Where the line of each queue stands.';
comment on table schedule is 'What comes again and again, and when next.';
