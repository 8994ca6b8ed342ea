-- What client-y had built into its monolith.
create table custom_discount_groups (
    name    text          primary key,
    percent numeric(5, 2) not null check (percent between 0 and 100)
);

insert into custom_discount_groups select 'group ' || i, i from generate_series(0, 19) as i;

alter table "Customers" add discount_group text references custom_discount_groups;
update "Customers" set discount_group = 'group ' || "CustomerID" % 20 where "CustomerID" % 3 > 0;

alter table "Orders" add "CostCenter" varchar(12);
update "Orders" set "CostCenter" = 'CC-' || "OrderID" % 40 where "OrderID" % 10 = 0
