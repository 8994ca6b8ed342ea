-- The types of columns and every type that those are made of. Multiranges (14 and later) are found through to_jsonb.
with recursive part (oid, of) as (
    select t.oid, p.oid
    from pg_type t
    cross join lateral (
        select t.typelem where t.typlen = -1
        union all select t.typbasetype
        union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c' and a.attnum > 0 and not a.attisdropped
    ) p (oid)
    where p.oid <> 0 and (t.typelem <> 0 or t.typbasetype <> 0 or t.oid >= 16384)
    union all
    select rngtypid, rngsubtype from pg_range
    union all
    select (to_jsonb(r) ->> 'rngmultitypid')::oid, rngsubtype from pg_range r where to_jsonb(r) ? 'rngmultitypid'
), used (oid) as (
    select a.atttypid
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f') and a.attnum > 0 and not a.attisdropped
        and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
    union
    select part.of from used join part on part.oid = used.oid
)
select t.oid,
    case when t.typtype = 'b' and t.typlen = -1 and t.typelem <> 0 then 'a' else t.typtype::text end as kind,
    t.typsend <> 0 and t.typreceive <> 0 as binary,
    n.nspname = 'pg_catalog' and t.typname like 'reg%' as reg,
    array(select part.of from part where part.oid = t.oid) as parts
from used
join pg_type t on t.oid = used.oid
join pg_namespace n on n.oid = t.typnamespace
order by t.oid
