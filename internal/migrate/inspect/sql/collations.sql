-- The collations that a server offers to its databases of this encoding.
select c.collname::text as name, c.collprovider::text as provider, coalesce(c.collcollate, '')::text as locale
from pg_collation c
where c.collnamespace = 'pg_catalog'::regnamespace
    and c.collencoding in (-1, (select encoding from pg_database where datname = current_database()))
