-- Relations by schema and name, with what questions about their rows are made of.
select w.schema, c.relname as name, c.relkind::text as kind,
    coalesce(a.columns, '{}') as columns, coalesce(a.required, '{}') as required, coalesce(k.key, '{}') as key,
    coalesce((select i.indisvalid from pg_catalog.pg_index i where i.indexrelid = c.oid), false) as valid,
    c.relkind not in ('i', 'I') and (c.relkind not in ('r', 'p') or c.relhasrules or exists (
        select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and (not t.tgisinternal or p.proname ~ '^RI_FKey_(cascade|setnull|setdefault)_'))) as carries
from unnest($1::text[], $2::text[]) as w (schema, name)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
left join lateral (
    select array_agg(a.attname::text order by a.attnum) as columns, array_agg(a.attname::text) filter (where a.attnotnull) as required
    from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) a on c.relkind in ('r', 'p')
left join lateral (
    select array_agg(a.attname::text order by k.n) as key
    from pg_catalog.pg_index i
    cross join unnest(i.indkey) with ordinality as k (attnum, n)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = c.oid and i.indisprimary and k.n <= i.indnkeyatts
) k on c.relkind in ('r', 'p')
