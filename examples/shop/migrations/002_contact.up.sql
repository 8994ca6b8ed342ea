-- Who orders can be written to, one address for each customer.
alter table customers add column phone text;

create unique index customers_email on customers (email);

create view contacts as
select id, name, coalesce(email, phone) as contact from customers;
