-- Written in the transaction of what a consumer does about an event, so that it is done once. That a row was there already is seen
-- from the number of rows that were added: nobody but the bus reads them.
create table inbox (
    role       text        not null default current_user,
    consumer   text        not null check (length(consumer) <= 100),
    id         uuid        not null,
    handled_at timestamptz not null default now(),
    primary key (role, consumer, id)
);

create index inbox_handled_idx on inbox (handled_at);

alter table inbox enable row level security;
create policy own on inbox for insert with check (role = current_user);
grant insert (consumer, id) on inbox to public;

comment on table inbox is 'Which events a consumer has done, for a month.';
