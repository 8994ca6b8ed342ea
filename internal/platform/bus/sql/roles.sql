-- Those who have events waiting, from behind one on: one look into the index for each, however many events they have.
with recursive every (role) as (
    (select role from bus.outbox where sent_at is null and due_at is null and role > $1 order by role limit 1)
    union all
    select (select o.role from bus.outbox o where o.sent_at is null and o.due_at is null and o.role > every.role order by o.role limit 1)
    from every where every.role is not null
)
select role from every where role is not null limit $2
