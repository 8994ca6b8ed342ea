-- Collations, conversions and text search.
select 'collation' as kind, n.nspname::text as schema, quote_ident(c.collname) as name, p.property, 'plain' as form, p.value
  from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
  cross join lateral (values
    ('definition', concat_ws(', ', c.collprovider, c.collisdeterministic, c.collcollate, c.collctype, c.colliculocale)),
    ('comment', obj_description(c.oid, 'pg_collation'))
  ) p (property, value)
 where n.nspname = any($1)
union all
select 'conversion', n.nspname::text, quote_ident(c.conname), p.property, 'sql', p.value
  from pg_catalog.pg_conversion c join pg_catalog.pg_namespace n on n.oid = c.connamespace
  cross join lateral (values
    ('definition', concat_ws(', ', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc::text, c.condefault)),
    ('comment', obj_description(c.oid, 'pg_conversion'))
  ) p (property, value)
 where n.nspname = any($1)
union all
select 'text search configuration', n.nspname::text, quote_ident(c.cfgname), p.property, p.form, p.value
  from pg_catalog.pg_ts_config c join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
  join pg_catalog.pg_ts_parser ps on ps.oid = c.cfgparser
  join pg_catalog.pg_namespace pn on pn.oid = ps.prsnamespace
  cross join lateral (
    select 'parser' as property, 'sql' as form, quote_ident(pn.nspname) || '.' || quote_ident(ps.prsname) as value
    union all
    select 'comment', 'plain', obj_description(c.oid, 'pg_ts_config')
    union all
    select 'mapping of ' || tt.alias, 'sql', string_agg(m.mapdict::regdictionary::text, ', ' order by m.mapseqno)
      from pg_catalog.pg_ts_config_map m join ts_token_type(c.cfgparser) tt on tt.tokid = m.maptokentype
     where m.mapcfg = c.oid group by tt.alias
  ) p
 where n.nspname = any($1)
union all
select 'text search dictionary', n.nspname::text, quote_ident(d.dictname), p.property, p.form, p.value
  from pg_catalog.pg_ts_dict d join pg_catalog.pg_namespace n on n.oid = d.dictnamespace
  join pg_catalog.pg_ts_template t on t.oid = d.dicttemplate
  join pg_catalog.pg_namespace tn on tn.oid = t.tmplnamespace
  cross join lateral (values
    ('template', 'sql', quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname)),
    ('options', 'body', d.dictinitoption),
    ('comment', 'plain', obj_description(d.oid, 'pg_ts_dict'))
  ) p (property, form, value)
 where n.nspname = any($1)
   and not exists (select from pg_catalog.pg_depend e where e.classid = 'pg_catalog.pg_ts_dict'::regclass and e.objid = d.oid and e.deptype = 'e')
