-- lint:ignore-file R32 what clients bring is like this: serial keys, char and timestamp are what moves have to cope with
create table products (
    product_id  serial        primary key,
    sku         varchar(20)   not null unique,
    name        varchar(80)   not null,
    description text,
    price       numeric(10, 2) not null default 0,
    in_stock    integer       not null default 0,
    active      char(1)       not null default 'Y' check (active in ('Y', 'N')),
    picture     bytea
);

insert into schema_info (version) values (3);
