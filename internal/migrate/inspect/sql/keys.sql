-- What tells a table's rows apart: the primary key, else the narrowest immediate unique index over NOT NULL columns.
select distinct on (i.indrelid) i.indrelid as "table", k.columns
from pg_index i
join pg_class x on x.oid = i.indexrelid
join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    select array_agg(a.attname::text order by u.position) as columns, bool_and(a.attnotnull) as not_null
    from unnest(i.indkey::int2[]) with ordinality as u (attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
    where u.position <= i.indnkeyatts) k
where i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and (i.indisprimary or i.indimmediate and k.not_null)
    and left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
order by i.indrelid, i.indisprimary desc, i.indnkeyatts, x.relname
