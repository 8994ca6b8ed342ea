-- lint:ignore-file R32 what clients bring is like this: serial keys, char and timestamp are what moves have to cope with
create table "Customers" (
    "CustomerID" serial      primary key,
    "Name"       varchar(80) not null,
    "Contact"    varchar(80),
    "Email"      varchar(120),
    "Phone"      varchar(40),
    "Street"     varchar(80),
    "City"       varchar(60),
    "Zip"        char(10),
    "Country"    char(2),
    "Status"     char(1)     not null default 'A' check ("Status" in ('A', 'B', 'X')),
    "CreditLimit" numeric(12, 2),
    "Created"    timestamp   not null default now(),
    "LegacyFlag" smallint
);

comment on column "Customers"."Status" is 'A active, B blocked, X closed';

create index "IX_Customers_Name" on "Customers" ("Name");

insert into schema_info (version) values (2);
