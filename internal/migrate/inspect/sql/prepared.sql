-- Prepared transactions of this database.
select gid, owner::text, extract(epoch from clock_timestamp() - prepared)::double precision as age
from pg_prepared_xacts
where database = current_database()
order by gid
