-- What a schema holds that was made by streams' files at certain versions. A reference is never changed: other files have another key.
create table tenantctl_instance.reference (
    key     text collate "C" primary key,
    name    text not null, -- of the schema that it was read from
    objects jsonb not null,
    made_at timestamptz not null default now()
);
comment on table tenantctl_instance.reference is 'What schemas are compared with: the catalog of one made from the streams'' files.';
