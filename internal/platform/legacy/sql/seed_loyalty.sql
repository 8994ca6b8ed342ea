insert into "LoyaltyBookings" ("CustomerID", "Points", "Booked")
select 1 + i * 104729 % greatest(current_setting('legacy.orders')::bigint / 10, 1), i % 50, timestamp '2021-01-01' + i * interval '11 minutes'
from generate_series(1, current_setting('legacy.orders')::bigint / 5) as i;

update "Customers" c set "LoyaltyPoints" = b.points
from (select "CustomerID", sum("Points") as points from "LoyaltyBookings" group by 1) as b
where b."CustomerID" = c."CustomerID";
