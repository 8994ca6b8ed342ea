create table causes (id uuid not null, at timestamptz not null default clock_timestamp());
create table effects (seq bigint generated always as identity, id uuid not null, tenant text not null, payload jsonb not null);
