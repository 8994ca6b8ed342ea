-- lint:ignore-file R32 what clients bring is like this: serial keys, char and timestamp are what moves have to cope with
create table "Orders" (
    "OrderID"    serial         primary key,
    "CustomerID" integer        not null references "Customers",
    "UserID"     integer        references "Users",
    "Status"     char(1)        not null default 'O' check ("Status" in ('O', 'S', 'C', 'X')),
    "Placed"     timestamp      not null default now(),
    "Shipped"    timestamp,
    "Region"     varchar(20),
    "Total"      numeric(12, 2) not null default 0,
    "Remarks"    text
);

comment on column "Orders"."Status" is 'O open, S shipped, C closed, X cancelled';

create index "IX_Orders_Customer" on "Orders" ("CustomerID");
create index "IX_Orders_Open" on "Orders" ("Placed") where "Status" = 'O';

create table order_lines (
    line_id    serial         primary key,
    order_id   integer        not null references "Orders" on delete cascade,
    line_no    smallint       not null,
    product_id integer        not null references products,
    quantity   integer        not null check (quantity > 0),
    unit_price numeric(10, 2) not null,
    rebate_pct real           not null default 0,
    unique (order_id, line_no)
);

create index order_lines_product on order_lines (product_id);

-- What the lines of an order come to.
-- lint:ignore T1 a client's own database, where the tables are in public; moves have to rewrite such names
create function order_total(integer) returns numeric language sql stable as $$
    select coalesce(sum(round((quantity * unit_price * (1 - rebate_pct / 100))::numeric, 2)), 0)
    from public.order_lines where order_id = $1
$$;

create function order_lines_changed() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        update "Orders" set "Total" = order_total(old.order_id) where "OrderID" = old.order_id;
    end if;
    if tg_op <> 'DELETE' then
        update "Orders" set "Total" = order_total(new.order_id) where "OrderID" = new.order_id;
    end if;
    return null;
end $$;

create trigger order_lines_changed after insert or update or delete on order_lines
    for each row execute function order_lines_changed();

insert into schema_info (version) values (4);
