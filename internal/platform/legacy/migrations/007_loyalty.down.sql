drop table "LoyaltyBookings"; alter table "Customers" drop "LoyaltyPoints"; delete from schema_info where version = 7;
