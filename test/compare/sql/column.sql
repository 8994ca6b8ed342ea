select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'c' then 'composite type' when 'f' then 'foreign table'
                      when 'i' then 'index' when 'I' then 'index' else 'table' end as kind,
       n.nspname::text as schema, quote_ident(c.relname) as name, 'column ' || quote_ident(a.attname) || ' ' || p.property as property, p.form, p.value
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join (select *, row_number() over (partition by attrelid order by attnum) as place from pg_catalog.pg_attribute where attnum > 0 and not attisdropped) a on a.attrelid = c.oid
  join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_attrdef def on def.adrelid = c.oid and def.adnum = a.attnum
  cross join lateral (values
    -- a child's inherited columns come first once it has been dumped and loaded, wherever they stood
    ('place', 'plain', case when c.relispartition or not exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid) then a.place::text end),
    ('type', 'sql', format_type(a.atttypid, a.atttypmod)),
    ('collation', 'sql', case when a.attcollation <> t.typcollation then a.attcollation::regcollation::text end),
    ('not null', 'plain', a.attnotnull::text),
    ('default', 'sql', pg_get_expr(def.adbin, def.adrelid)),
    ('generated', 'plain', a.attgenerated::text),
    ('identity', 'plain', a.attidentity::text),
    ('storage', 'plain', a.attstorage::text),
    ('compression', 'plain', a.attcompression::text),
    ('statistics target', 'plain', a.attstattarget::text),
    ('options', 'plain', (select string_agg(o, ', ' order by o collate "C") from unnest(a.attoptions) o)),
    ('is local', 'plain', a.attislocal::text),
    ('inherited from', 'plain', a.attinhcount::text),
    ('comment', 'plain', col_description(c.oid, a.attnum))
  ) p (property, form, value)
 where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f', 'i', 'I')
   and (c.relkind not in ('i', 'I') or p.property in ('statistics target', 'options'))
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
