-- $1 after this id, $2 up to the horizon, $3 tenant or '', $4 types or null, $5 limit; {direction} is asc for the oldest of them, desc for the newest
select id, at as time, type, tenant, actor, message, data
from (
    select * from tenantctl.event
    where id > $1 and id <= $2 and ($3 = '' or tenant = $3) and ($4::text[] is null or type = any ($4))
    order by id {direction}
    limit $5
) as page
order by id
