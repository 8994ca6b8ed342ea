with own as (
    select c.*, n.nspname
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'c', 'f')
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
)
select case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' when 'c' then 'composite type' when 'f' then 'foreign table' else 'table' end as kind,
       c.nspname::text as schema, quote_ident(c.relname) as name, p.property, p.form, p.value
  from own c
  left join pg_catalog.pg_class toast on toast.oid = c.reltoastrelid
  cross join lateral (values
    ('kind', 'plain', c.relkind::text),
    ('persistence', 'plain', c.relpersistence::text),
    ('options', 'plain', (select string_agg(o, ', ' order by o collate "C") from unnest(c.reloptions) o)),
    ('toast options', 'plain', (select string_agg(o, ', ' order by o collate "C") from unnest(toast.reloptions) o)),
    ('access method', 'plain', (select amname::text from pg_catalog.pg_am where oid = c.relam)),
    ('replica identity', 'plain', case when c.relkind in ('r', 'p', 'm') then c.relreplident::text end),
    ('row security', 'plain', c.relrowsecurity::text),
    ('forced row security', 'plain', c.relforcerowsecurity::text),
    ('of type', 'sql', case when c.reloftype <> 0 then c.reloftype::regtype::text end),
    ('partition key', 'sql', case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end),
    ('partition bound', 'sql', pg_get_expr(c.relpartbound, c.oid)),
    ('parents', 'sql', (select string_agg(i.inhparent::regclass::text || case when i.inhdetachpending then ' (detaching)' else '' end, ', ' order by i.inhseqno)
                          from pg_catalog.pg_inherits i where i.inhrelid = c.oid)),
    ('populated', 'plain', case when c.relkind = 'm' then c.relispopulated::text end),
    ('definition', 'view', case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end),
    ('comment', 'plain', obj_description(c.oid, 'pg_class')),
    ('comment of its type', 'plain', obj_description(c.reltype, 'pg_type'))
  ) p (property, form, value)
