-- Unique indexes over plain columns, and foreign keys that are proven, of the legacy tables named.
select q.name, 'u' as kind,
    array(select a.attname::text from unnest(x.indkey::int2[]) with ordinality k (attnum, position)
        join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum
        where k.position <= x.indnkeyatts order by k.position) as columns,
    '' as other, '{}'::text[] as other_columns
from unnest($1::text[]) q (name)
join pg_index x on x.indrelid = q.name::regclass
where x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null and x.indexprs is null
union all
select q.name, 'f',
    array(select a.attname::text from unnest(con.conkey) with ordinality k (attnum, position)
        join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum order by k.position),
    quote_ident(n.nspname) || '.' || quote_ident(f.relname),
    array(select a.attname::text from unnest(con.confkey) with ordinality k (attnum, position)
        join pg_attribute a on a.attrelid = con.confrelid and a.attnum = k.attnum order by k.position)
from unnest($1::text[]) q (name)
join pg_constraint con on con.conrelid = q.name::regclass and con.contype = 'f' and con.convalidated
join pg_class f on f.oid = con.confrelid
join pg_namespace n on n.oid = f.relnamespace
order by 1, 2, 3
