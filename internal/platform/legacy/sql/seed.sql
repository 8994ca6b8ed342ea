-- Rows from their own numbers and nothing else: i * prime % n spreads them without a random generator.
set local synchronous_commit = off;
set local work_mem = '64MB';
alter table order_lines disable trigger order_lines_changed;
-- Checked once, at the end, instead of for each row.
alter table "Orders" drop constraint "Orders_CustomerID_fkey", drop constraint "Orders_UserID_fkey";
alter table order_lines drop constraint order_lines_order_id_fkey, drop constraint order_lines_product_id_fkey;

update schema_info set installed = timestamp '2010-03-01' + version * interval '200 days';

insert into "Users" ("Login", "PasswordHash", "FullName", "Email", "Role", "LastLogin", "Deleted")
select 'user' || i, md5('user' || i || 'secret'), 'User ' || i, 'user' || i || '@client.example',
       case when i = 1 then 'A' when i % 5 = 0 then 'R' else 'U' end,
       timestamp '2025-01-01' + i * interval '7 hours', i % 13 = 0
from generate_series(1, 25) as i;

insert into settings (name, value, changed)
select 'module.' || i, case when i % 3 = 0 then null else 'on' end, timestamp '2020-01-01' + i * interval '1 day'
from generate_series(1, 40) as i;

insert into "Customers" ("Name", "Contact", "Email", "Phone", "Street", "City", "Zip", "Country", "Status", "CreditLimit", "Created", "LegacyFlag", "Deleted")
select (array['Müller', 'Smith', 'García', 'Nowak', 'Rossi', 'O''Neill', 'Šimić', '田中'])[1 + i % 8] || ' ' || (array['GmbH', 'Ltd', 'S.A.', 'AG'])[1 + i / 8 % 4] || ' ' || i,
       case when i % 7 > 0 then 'Contact ' || i end,
       'info' || i || '@customer.example',
       '+49 30 ' || lpad((i * 7919 % 1000000)::text, 6, '0'),
       'Street ' || i % 200, (array['Berlin', 'Wien', 'Zürich', 'Hamburg', 'Köln'])[1 + i % 5], lpad((i * 104729 % 100000)::text, 5, '0'),
       (array['DE', 'AT', 'CH', 'PL', 'IT'])[1 + i % 5],
       case when i % 50 = 0 then 'B' when i % 71 = 0 then 'X' else 'A' end,
       case when i % 3 = 0 then i % 100 * 100 end,
       timestamp '2012-01-01' + i * interval '37 minutes', i % 2, i % 97 = 0
from generate_series(1, greatest(current_setting('legacy.orders')::bigint / 10, 1)) as i;

insert into products (sku, name, description, price, in_stock, active, picture)
select 'SKU-' || lpad(i::text, 6, '0'), 'Product ' || i, repeat('Fine thing no. ' || i || '. ', (i % 20)::int),
       (i * 7919 % 50000)::numeric / 100, i * 31 % 500, case when i % 17 = 0 then 'N' else 'Y' end,
       case when i % 10 = 0 then decode(repeat(md5(i::text), 8), 'hex') end
from generate_series(1, greatest(current_setting('legacy.orders')::bigint / 100, 1)) as i;

-- The lines first, since an order's total and an invoice's amount follow from them.
create temporary table seed_line on commit drop as
select i as order_id, line as line_no, 1 + (i * 31 + line * 7) % greatest(current_setting('legacy.orders')::bigint / 100, 1) as product_id,
       1 + (i + line) % 9 as quantity, (i * 7919 % 50000)::numeric / 100 as unit_price, (array[0, 0, 2.5, 5, 10]::real[])[1 + (i + line) % 5] as rebate_pct
from generate_series(1, current_setting('legacy.orders')::bigint) as i, generate_series(1, 1 + i % 4) as line;

create temporary table seed_total on commit drop as
select order_id as i, sum(round((quantity * unit_price * (1 - rebate_pct / 100))::numeric, 2)) as total from seed_line group by 1 order by 1;

insert into "Orders" ("CustomerID", "UserID", "Status", "Placed", "Shipped", "Region", "Total", "Remarks", "Deleted")
select 1 + i * 7919 % greatest(current_setting('legacy.orders')::bigint / 10, 1), 1 + i % 25,
       (array['O', 'S', 'C', 'C', 'C', 'X'])[1 + i % 6],
       timestamp '2015-01-01' + i * interval '53 seconds',
       case when i % 6 between 1 and 4 then timestamp '2015-01-03' + i * interval '53 seconds' end,
       (array['north', 'south', 'east', 'west', null])[1 + i % 5], total,
       case when i % 11 = 0 then 'Please ring twice; order ' || i end, i % 101 = 0
from seed_total order by i;

insert into order_lines (order_id, line_no, product_id, quantity, unit_price, rebate_pct)
select order_id, line_no, product_id, quantity, unit_price, rebate_pct from seed_line;

insert into invoices (order_id, issued, due, paid, amount, state)
select i, timestamp '2015-01-04' + i * interval '53 seconds', date '2015-02-04' + (i / 1630)::int,
       case when i % 4 > 0 then timestamp '2015-01-20' + i * interval '53 seconds' end,
       total, case when i % 4 > 0 then 'P' when i % 40 = 0 then 'V' else 'I' end
from seed_total where i % 6 between 1 and 4 order by i;

insert into audit_log (happened, user_id, action, detail)
select timestamp '2015-01-01' + i * interval '53 seconds', 1 + i % 25, (array['login', 'order', 'print', 'logout'])[1 + i % 4],
       case when i % 2 = 0 then 'order ' || i end
from generate_series(1, current_setting('legacy.orders')::bigint / 2) as i;
