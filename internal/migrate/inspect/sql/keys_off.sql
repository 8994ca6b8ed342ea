-- Foreign keys of which a trigger is off: they let rows pass, on this side or on that of the table they reference.
select c.oid::regclass::text as "table", con.conname::text as name
from pg_constraint con
join pg_class c on c.oid = con.conrelid
where con.contype = 'f'
    and exists (select from pg_trigger t where t.tgconstraint = con.oid and t.tgisinternal and t.tgenabled <> 'O')
order by 1, 2
