create table order_items (
    order_id   bigint         not null references orders on delete cascade,
    line       integer        not null check (line > 0),
    product_id bigint         not null references products,
    quantity   numeric(14, 3) not null check (quantity <> 0),
    unit_price numeric(19, 4) not null,
    discount   numeric(7, 6)  not null default 0 check (discount between 0 and 1),
    note       text,
    extra      jsonb          not null default '{}' check (jsonb_typeof(extra) = 'object'),
    primary key (order_id, line)
);

create index order_items_product_idx on order_items (product_id);

comment on table order_items is 'The lines of an order.';
comment on column order_items.line is 'Any number that no other line of the order has.';
comment on column order_items.quantity is 'Negative for what came back.';
comment on column order_items.discount is 'The part of the price that is let off, 0 to 1.';
comment on column order_items.extra is 'Fields that only this client has.';
