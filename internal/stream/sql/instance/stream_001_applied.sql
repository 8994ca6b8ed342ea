-- Which files the schemas of an instance were made from, kept in the transaction of each file.

-- A version of a stream with all that leads up to it: its hash covers its own file and, through the parent, those before it.
create table tenantctl_instance.history (
    hash    text collate "C" primary key,
    parent  text collate "C" not null, -- '' for the first version
    service text collate "C" not null,
    version bigint not null,
    path    text not null,
    sum     text collate "C" not null,
    seen_at timestamptz not null default now()
);
comment on table tenantctl_instance.history is 'Migration files that schemas of this instance were made from, with their SHA-256.';

create table tenantctl_instance.applied (
    schema  text not null,
    service text collate "C" not null,
    version bigint not null,
    history text collate "C" not null,
    mark    text collate "C" not null default '',
    at      timestamptz not null default now(),
    primary key (service, schema)
) with (fillfactor = 70);
comment on table tenantctl_instance.applied is 'Where each schema stands in each stream, and which rollout brought it there.';
