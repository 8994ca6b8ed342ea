drop table order_lines, "Orders"; drop function order_lines_changed(), order_total(integer); delete from schema_info where version = 4;
