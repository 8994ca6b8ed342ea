-- $1 instance, $2 tenant, $3 capacity. The instance's cells are locked by the statement before this one.
with mine as (
    select instance, cell from tenantctl.seat where tenant = $2
), room as (
    select c.number
    from tenantctl.cell as c
    left join tenantctl.seat as s on s.instance = c.instance and s.cell = c.number
    where c.instance = $1
    group by c.number
    having count(s.tenant) < $3
    order by count(s.tenant), c.number
    limit 1
), opened as (
    insert into tenantctl.cell (instance, number)
    select $1, coalesce(max(number), 0) + 1 from tenantctl.cell where instance = $1
    having not exists (select from room) and not exists (select from mine)
    returning number
), seated as (
    insert into tenantctl.seat (tenant, instance, cell)
    select $2, $1, number from (table room union all table opened) as free where not exists (select from mine)
    returning instance, cell
)
select instance, 'c' || cell from (table mine union all table seated) as seat
