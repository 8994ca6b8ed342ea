-- lint:ignore-file R32 what clients bring is like this: serial keys, char and timestamp are what moves have to cope with
create sequence invoice_number start 1000;

create table invoices (
    invoice_id serial         primary key,
    number     varchar(20)    not null unique default 'R' || nextval('invoice_number'),
    order_id   integer        not null references "Orders",
    issued     timestamp      not null default now(),
    due        date,
    paid       timestamp,
    amount     numeric(12, 2) not null,
    state      char(1)        not null default 'I' check (state in ('I', 'P', 'V'))
);

comment on column invoices.state is 'I issued, P paid, V void';

create index invoices_order on invoices (order_id);

create view open_invoices as
select i.number, i.amount, i.due, c."CustomerID", c."Name"
from invoices i
join "Orders" o on o."OrderID" = i.order_id
join "Customers" c on c."CustomerID" = o."CustomerID"
where i.state = 'I';

create view "Revenue" as
select date_trunc('month', issued) as month, sum(amount) as amount
from invoices
where state <> 'V'
group by 1;

insert into schema_info (version) values (5);
