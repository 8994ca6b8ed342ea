-- lint:ignore-file R32 what clients bring is like this: serial keys, char and timestamp are what moves have to cope with
alter table "Customers" add "LoyaltyPoints" integer not null default 0;

create table "LoyaltyBookings" (
    "BookingID"  serial    primary key,
    "CustomerID" integer   not null references "Customers",
    "Points"     integer   not null,
    "Booked"     timestamp not null default now()
);

create index "IX_LoyaltyBookings_Customer" on "LoyaltyBookings" ("CustomerID");

insert into schema_info (version) values (7);
