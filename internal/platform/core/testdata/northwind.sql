insert into tenant_a.customers (code, name, contact_name, contact_title, street, city, region, postal_code, country, phone, fax)
select customer_id, company_name, contact_name, contact_title, address, city, region, postal_code, country, phone, fax from public.customers;

insert into tenant_a.products (id, name, unit, price, stock, status, extra)
select product_id, product_name, quantity_per_unit, unit_price::numeric, units_in_stock,
       case discontinued when 0 then 'active' else 'discontinued' end, jsonb_build_object('supplier_id', supplier_id) from public.products;

insert into tenant_a.orders (id, customer_code, status, placed_at, required_on, shipped_at, ship_name, ship_street, ship_city, ship_region, ship_postal_code, ship_country, freight, currency)
select order_id, customer_id, case when shipped_date is null then 'open' else 'shipped' end, order_date::timestamp at time zone 'UTC', required_date,
       shipped_date::timestamp at time zone 'UTC', ship_name, ship_address, ship_city, ship_region, ship_postal_code, ship_country, freight::numeric, 'USD' from public.orders;

insert into tenant_a.order_items (order_id, line, product_id, quantity, unit_price, discount)
select order_id, product_id, product_id, quantity, unit_price::numeric, discount::numeric from public.order_details;
