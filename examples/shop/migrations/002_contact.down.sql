drop view contacts;
drop index customers_email;
alter table customers drop column phone;
