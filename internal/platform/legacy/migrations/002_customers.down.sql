drop table "Customers"; delete from schema_info where version = 2;
