create table effects (seq bigint generated always as identity, job uuid not null, part int not null default 0, at timestamptz not null default clock_timestamp());
