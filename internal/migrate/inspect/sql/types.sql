-- The types of columns and every type that those are made of: each edge from a type to a part of it, element, base, attribute or
-- subtype. Multiranges (14 and later) are found through to_jsonb.
with recursive edge (whole, oid) as (
    select distinct 0::oid, a.atttypid
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f') and a.attnum > 0 and not a.attisdropped
        and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
    union
    select t.oid, p.oid
    from edge
    join pg_type t on t.oid = edge.oid
    cross join lateral (
        select t.typelem where t.typlen = -1
        union all select t.typbasetype
        union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        union all select r.rngsubtype from pg_range r where t.typtype = 'r' and r.rngtypid = t.oid
        union all select r.rngsubtype from pg_range r where t.typtype = 'm' and (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
    ) p (oid)
    where p.oid <> 0
)
select t.oid,
    case when t.typtype = 'b' and t.typlen = -1 and t.typelem <> 0 then 'a' else t.typtype::text end as kind,
    t.typsend <> 0 and t.typreceive <> 0 as binary,
    n.nspname = 'pg_catalog' and t.typname like 'reg%' as reg,
    array(select edge.oid from edge where edge.whole = t.oid) as parts
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where t.oid in (select oid from edge)
order by t.oid
