-- What the tables of one schema demand of their rows. Unique indexes without a constraint count too.
select c.relname, 'u' as kind, i.relname as name,
    array(select pg_get_indexdef(x.indexrelid, k, true) from generate_series(1, x.indnkeyatts) k order by k) as columns,
    coalesce(pg_get_expr(x.indpred, x.indrelid), '') as expression,
    x.indisprimary as primary_key,
    coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) as nulls_equal,
    '' as other, '{}'::text[] as other_columns
from pg_index x
join pg_class c on c.oid = x.indrelid
join pg_class i on i.oid = x.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and x.indisunique and not c.relispartition
union all
select c.relname, con.contype::text, con.conname,
    array(select quote_ident(a.attname) from unnest(con.conkey) with ordinality k (attnum, position)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum order by k.position),
    coalesce(pg_get_expr(con.conbin, con.conrelid), ''),
    false, false,
    coalesce(f.relname, ''),
    array(select quote_ident(a.attname) from unnest(con.confkey) with ordinality k (attnum, position)
        join pg_attribute a on a.attrelid = con.confrelid and a.attnum = k.attnum order by k.position)
from pg_constraint con
join pg_class c on c.oid = con.conrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_class f on f.oid = con.confrelid
where n.nspname = $1 and con.contype in ('c', 'f') and con.conparentid = 0 and not c.relispartition
order by 1, 2 desc, 3
