-- The first of each in their order, then the second of each, and so on.
select o.seq, o.role, o.id::text, o.type, o.version, o.occurred_at, coalesce(o.traceparent, '') as traceparent, o.payload::text, o.returned,
    clock_timestamp() - o.occurred_at as age, o.turn
from unnest($1::text[]) as open (role)
cross join lateral (
    select *, row_number() over (order by seq) as turn from bus.outbox where role = open.role and sent_at is null and due_at is null order by seq limit $2
) as o
order by o.turn, o.seq limit $3
