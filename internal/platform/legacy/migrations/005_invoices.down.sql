drop view "Revenue", open_invoices; drop table invoices; drop sequence invoice_number; delete from schema_info where version = 5;
