-- A schedule that is paused is kept and doesn't come.
alter table schedule add column paused boolean not null default false;

-- What jobs make that is too long for a result, in parts, each written with the checkpoint behind it. It goes with its job.
create table output (
    role text    not null default current_user,
    job  uuid    not null references job on delete cascade,
    part integer not null check (part > 0),
    body text    not null check (octet_length(body) <= 4194304),
    primary key (job, role, part)
);

alter table output enable row level security;
create policy own on output using (role = current_user) with check (role = current_user);
grant select, insert (job, part, body) on output to public;

-- A job that is asked for once more begins without failures.
grant update (failures) on job to public;

comment on table output is 'What jobs made, in parts, for as long as the jobs can be looked at.';
