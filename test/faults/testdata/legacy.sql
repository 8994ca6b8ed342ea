-- A client's legacy database: small, but with most of what a move must carry. Every row is the same at each load.
create schema audit;
create type order_state as enum ('open', 'paid', 'shipped');
create domain email as text check (value like '%@%');
create sequence invoice_number start 5000 increment 5;

create table countries (code char(2) primary key, name text not null unique);
create table cities (id int generated always as identity primary key, country char(2) not null references countries, name text not null);
create table customers (id serial primary key, name text not null, mail email unique, city int references cities, since date not null);
create table addresses (id serial primary key, customer int not null references customers on delete cascade, line text not null);
create table suppliers (id serial primary key, name text not null);
create table categories (id serial primary key, parent int references categories, name text not null);
create table products (id serial primary key, supplier int references suppliers, category int references categories, name text not null,
	price numeric(10, 2) not null check (price >= 0), tags text[], attributes jsonb);
create table warehouses (id smallint primary key, name text);
create table stock (warehouse smallint references warehouses, product int references products, amount int not null, primary key (warehouse, product));
create table orders (id serial primary key, customer int not null references customers, state order_state not null default 'open',
	placed timestamptz not null, note text);
create table order_items (order_id int references orders, line int, product int not null references products, amount int not null,
	price numeric(10, 2) not null, total numeric generated always as (amount * price) stored, primary key (order_id, line));
create table invoices (number bigint primary key default nextval('invoice_number'), order_id int unique references orders, issued date);
create table payments (id bigserial primary key, invoice bigint references invoices, amount numeric, paid timestamptz);
create table employees (id serial primary key, boss int references employees, name text);
create table shifts (id serial primary key, employee int references employees, during tstzrange);
create table documents (id serial primary key, name text, body bytea);
create table readings (sensor int, at timestamp, value double precision);
create table settings (name text primary key, value text);
create table audit.log (id bigserial primary key, happened timestamptz not null, what text);
create table measurements (id int not null, at date not null, value float) partition by range (at);
create table measurements_2023 partition of measurements for values from ('2023-01-01') to ('2024-01-01');
create table measurements_2024 partition of measurements for values from ('2024-01-01') to ('2025-01-01');
create table big (id int primary key, note text not null);

insert into countries select chr(65 + i / 26) || chr(65 + i % 26), 'country ' || i from generate_series(0, 99) i;
insert into cities (country, name) select chr(65 + i % 100 / 26) || chr(65 + i % 100 % 26), 'city ' || i from generate_series(0, 199) i;
insert into customers (name, mail, city, since) select 'customer ' || i, 'c' || i || '@example.com', 1 + i % 200, date '2020-01-01' + i from generate_series(1, 400) i;
insert into addresses (customer, line) select 1 + i % 400, 'street ' || i from generate_series(1, 500) i;
insert into suppliers (name) select 'supplier ' || i from generate_series(1, 20) i;
insert into categories (parent, name) select case when i > 5 then 1 + i % 5 end, 'category ' || i from generate_series(1, 30) i;
insert into products (supplier, category, name, price, tags, attributes) select 1 + i % 20, 1 + i % 30, 'product ' || i, i * 1.25,
	array['a', null, 'b' || i], jsonb_build_object('i', i) from generate_series(1, 200) i;
insert into warehouses values (1, 'north'), (2, 'south');
insert into stock select w, p, w * p from generate_series(1, 2) w, generate_series(1, 200) p;
insert into orders (customer, state, placed, note) select 1 + i % 400, (array['open', 'paid', 'shipped'])[1 + i % 3]::order_state,
	timestamptz '2024-01-01 UTC' + i * interval '1 hour', nullif('note ' || i, 'note 7') from generate_series(1, 1000) i;
insert into order_items (order_id, line, product, amount, price) select 1 + i % 1000, 1 + i / 1000, 1 + i % 200, i % 9, i / 3.0 from generate_series(0, 2499) i;
insert into invoices (order_id, issued) select i, date '2024-02-01' + i from generate_series(1, 300) i;
insert into payments (invoice, amount, paid) select number, 10, timestamptz '2024-03-01 UTC' from invoices;
insert into employees (boss, name) select nullif(i / 3, 0), 'employee ' || i from generate_series(1, 30) i;
insert into shifts (employee, during) select 1 + i % 30, tstzrange(timestamptz '2024-01-01 UTC', timestamptz '2024-01-01 08:00 UTC') from generate_series(1, 60) i;
insert into documents (name, body) select 'document ' || i, decode(repeat(md5(i::text), 40), 'hex') from generate_series(1, 50) i;
insert into readings select i % 5, timestamp '2024-01-01' + i * interval '1 min', sqrt(i) from generate_series(1, 300) i;
insert into settings values ('currency', 'EUR'), ('empty', ''), ('none', null);
insert into audit.log (happened, what) select timestamptz '2024-01-01 UTC', 'event ' || i from generate_series(1, 200) i;
insert into measurements select i, date '2023-06-01' + i % 400, i / 7.0 from generate_series(1, 400) i;
insert into big select i, repeat(md5(i::text), 8) from generate_series(1, 9000) i;
select setval('suppliers_id_seq', 77, false);

create index on orders (customer, placed desc);
create index on products using gin (attributes);
create unique index customers_name on customers (lower(name));
alter table products add constraint products_price_band check (price < 100000) not valid;
create view open_orders as select o.id, c.name from orders o join customers c on c.id = o.customer where o.state = 'open';
create materialized view sales as select product, sum(total) as total from order_items group by product;
create unique index on sales (product);
create function remember() returns trigger language plpgsql as $$
begin
	insert into audit.log (happened, what) values (now(), tg_table_name || ' ' || tg_op);
	return new;
end $$;
create trigger remember after insert on customers for each row execute function remember();
comment on table customers is 'who buys';
