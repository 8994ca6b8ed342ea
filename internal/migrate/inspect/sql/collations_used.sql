-- Collations that the users' objects depend on, besides the default and those of PostgreSQL itself, and one object for each.
select n.nspname::text as schema,
    c.collname::text as name,
    c.collprovider::text as provider,
    coalesce(c.collcollate, '')::text as locale,
    coalesce(c.collversion, '') as version,
    coalesce(pg_collation_actual_version(c.oid), '') as actual_version,
    min(i.type || ' ' || i.identity) as used_by
from pg_depend d
join pg_collation c on c.oid = d.refobjid
join pg_namespace n on n.oid = c.collnamespace
cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) i
where d.refclassid = 'pg_collation'::regclass and d.objid >= 16384
    and not exists (select from pg_depend e where e.classid = d.classid and e.objid = d.objid and e.deptype = 'e')
group by c.oid, n.nspname, c.collname, c.collprovider, c.collcollate, c.collversion
union all
select n.nspname, c.collname, c.collprovider::text, coalesce(c.collcollate, ''), coalesce(c.collversion, ''), coalesce(pg_collation_actual_version(c.oid), ''), ''
from pg_collation c
join pg_namespace n on n.oid = c.collnamespace
where c.oid >= 16384 and left(n.nspname, 3) <> 'pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_depend d where d.refclassid = 'pg_collation'::regclass and d.refobjid = c.oid and d.objid >= 16384)
    and not exists (select from pg_depend d where d.classid = 'pg_collation'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
