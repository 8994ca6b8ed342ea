alter table "Orders" add foreign key ("CustomerID") references "Customers", add foreign key ("UserID") references "Users";
alter table order_lines add foreign key (order_id) references "Orders" on delete cascade, add foreign key (product_id) references products;
alter table order_lines enable trigger order_lines_changed;
analyze "Users", settings, "Customers", products, "Orders", order_lines, invoices, audit_log;
