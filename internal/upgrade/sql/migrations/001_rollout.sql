-- The records of rollouts. Those who read them need no other table; tenants may be gone since.

create table tenantctl_upgrade.rollout (
    number     bigint generated always as identity primary key,
    id         text generated always as ('r' || number::text) stored unique,
    state      text not null default 'running',
    whole      boolean not null, -- of the whole fleet, so that new tenants get its versions once it ended
    targets    jsonb not null,
    waves      jsonb not null,
    wave       integer not null default 0,
    actor      text not null,
    reason     text not null default '',
    error      text not null default '',
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint rollout_state_is_known check (state in
        ('running', 'stopped', 'paused', 'partial', 'done', 'reverting', 'rolled-back', 'superseded'))
);
create unique index rollout_unfinished on tenantctl_upgrade.rollout ((true)) where state in ('running', 'stopped', 'paused', 'reverting');

create table tenantctl_upgrade.member (
    rollout    text not null references tenantctl_upgrade.rollout (id),
    tenant     text collate "C" not null,
    instance   text collate "C" not null,
    schema     text not null,
    ring       text not null,
    state      text not null,
    services   text[] not null,
    wave       integer not null,
    before     jsonb not null, -- where it stood, by service
    result     text not null default 'pending',
    attempts   integer not null default 0,
    failure    jsonb,
    note       text not null default '',
    elapsed_ms bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (rollout, tenant),
    constraint member_result_is_known check (result in
        ('pending', 'upgraded', 'unchanged', 'failed', 'deferred', 'skipped', 'reverted'))
) with (fillfactor = 70);

create table tenantctl_upgrade.judgement (
    id      bigint generated always as identity primary key,
    rollout text not null references tenantctl_upgrade.rollout (id),
    wave    integer not null,
    gate    text not null,
    verdict text not null,
    message text not null,
    figures jsonb,
    at      timestamptz not null,
    constraint judgement_verdict_is_known check (verdict in ('pass', 'fail', 'inconclusive', 'accepted'))
);
create index judgement_by_rollout on tenantctl_upgrade.judgement (rollout, wave);
