-- A customer's key is text: what clients bring is text in one place and a number in the next, and both go in, and come back,
-- by a cast of that one value. A surrogate would need a lookup, or a hash that can't be undone.
create table customers (
    code          text        primary key default gen_random_uuid()::text check (code <> '' and length(code) <= 64),
    name          text        not null check (name <> ''),
    contact_name  text,
    contact_title text,
    email         text,
    phone         text,
    fax           text,
    street        text,
    city          text,
    region        text,
    postal_code   text,
    country       text,
    status        text        not null default 'active' check (status in ('active', 'blocked', 'closed')),
    extra         jsonb       not null default '{}' check (jsonb_typeof(extra) = 'object'),
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);


comment on table customers is 'Who buys.';
comment on column customers.code is 'The customer''s number or short name, as people write it; generated where none is given.';
comment on column customers.extra is 'Fields that only this client has.';
