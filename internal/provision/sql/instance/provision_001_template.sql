-- What a new tenant's schema begins with: the definitions that the services' files come to, so that they needn't be replayed.
-- A template is never changed: other files have another key.
create table tenantctl_instance.template (
    key     text primary key,
    name    text not null, -- stands in the script for the tenant's schema
    script  text not null,
    made_at timestamptz not null default now()
);
comment on table tenantctl_instance.template is 'Definitions from which the schemas of new tenants are made.';
