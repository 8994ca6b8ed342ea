-- The columns of the legacy tables named, as the scratch database has them.
select q.name, a.attname::text, a.atttypid, a.atttypmod, t.modifier, format_type(t.oid, t.modifier), a.attnotnull, a.attgenerated <> ''
from unnest($1::text[]) q (name)
join pg_attribute a on a.attrelid = q.name::regclass and a.attnum > 0 and not a.attisdropped
cross join lateral (
    with recursive chain as (
        select a.atttypid as oid, a.atttypmod as modifier
        union all
        select p.typbasetype, p.typtypmod from chain join pg_type p on p.oid = chain.oid and p.typtype = 'd'
    )
    select chain.oid, chain.modifier from chain join pg_type p on p.oid = chain.oid where p.typtype <> 'd'
) t
order by q.name, a.attnum
