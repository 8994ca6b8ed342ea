select 'index' as kind, n.nspname::text as schema, quote_ident(c.relname) as name, p.property, p.form, p.value
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class r on r.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  left join pg_catalog.pg_inherits h on h.inhrelid = c.oid
  cross join lateral (values
    ('definition', 'sql', pg_get_indexdef(c.oid)),
    ('valid', 'plain', i.indisvalid::text),
    ('ready', 'plain', i.indisready || ' ' || i.indislive),
    ('key', 'plain', 'primary ' || i.indisprimary || ', unique ' || i.indisunique || ', immediate ' || i.indimmediate || ', exclusion ' || i.indisexclusion),
    ('clustered on', 'plain', i.indisclustered::text),
    ('replica identity', 'plain', i.indisreplident::text),
    ('options', 'plain', (select string_agg(o, ', ' order by o collate "C") from unnest(c.reloptions) o)),
    ('part of', 'sql', h.inhparent::regclass::text),
    ('comment', 'plain', obj_description(c.oid, 'pg_class'))
  ) p (property, form, value)
 where n.nspname = any($1) and r.relkind in ('r', 'p', 'm')
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = r.oid and d.deptype = 'e')
