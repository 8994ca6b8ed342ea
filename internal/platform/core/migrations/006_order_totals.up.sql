-- Read by the service under the tenant's role, so the rights of the reader count (security_invoker).
create view order_totals with (security_invoker = true) as
select o.id as order_id,
       o.customer_code,
       o.currency,
       count(i.line) as lines,
       coalesce(sum(i.quantity * i.unit_price * (1 - i.discount)), 0) + o.freight as total
from orders o
left join order_items i on i.order_id = o.id
group by o.id;

comment on view order_totals is 'What each order comes to, freight included.';
