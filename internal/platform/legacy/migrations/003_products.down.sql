drop table products; delete from schema_info where version = 3;
