create table customers (
    id    bigint generated always as identity primary key,
    name  text not null,
    email text
);

create table orders (
    id       bigint generated always as identity primary key,
    customer bigint not null references customers,
    total    numeric(12, 2) not null default 0
);
