select case t.typtype when 'e' then 'enum' when 'd' then 'domain' when 'r' then 'range' when 'm' then 'multirange' when 'p' then 'pseudo-type' else 'base type' end as kind,
       n.nspname::text as schema, quote_ident(t.typname) as name, p.property, p.form, p.value
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_range r on r.rngtypid = t.oid
  left join pg_catalog.pg_type sub on sub.oid = r.rngsubtype
  left join pg_catalog.pg_type base on base.oid = t.typbasetype
  cross join lateral (values
    ('kind', 'plain', concat_ws(' ', t.typtype, t.typcategory, t.typisdefined, t.typdelim)),
    ('labels', 'plain', (select json_agg(e.enumlabel order by e.enumsortorder)::text from pg_catalog.pg_enum e where e.enumtypid = t.oid)),
    ('base', 'sql', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end),
    ('not null', 'plain', t.typnotnull::text),
    ('default', 'sql', coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault)),
    ('collation', 'sql', case when t.typtype = 'd' and t.typcollation <> base.typcollation then t.typcollation::regcollation::text end),
    ('storage', 'plain', concat_ws(' ', t.typstorage, t.typalign, t.typlen)),
    ('functions', 'sql', case when t.typtype = 'b' then concat_ws(', ', t.typinput::text, t.typoutput::text, t.typreceive::text, t.typsend::text, t.typmodin::text) end),
    ('subtype', 'sql', case when r.rngtypid is not null then r.rngsubtype::regtype::text end),
    ('range collation', 'sql', case when r.rngcollation <> sub.typcollation then r.rngcollation::regcollation::text end),
    ('operator class', 'sql', (select quote_ident(opn.nspname) || '.' || quote_ident(o.opcname) from pg_catalog.pg_opclass o join pg_catalog.pg_namespace opn on opn.oid = o.opcnamespace where o.oid = r.rngsubopc)),
    ('canonical', 'sql', nullif(r.rngcanonical::text, '-')),
    ('difference', 'sql', nullif(r.rngsubdiff::text, '-')),
    ('multirange', 'sql', case when r.rngtypid is not null then r.rngmultitypid::regtype::text end),
    ('comment', 'plain', obj_description(t.oid, 'pg_type'))
  ) p (property, form, value)
 where n.nspname = any($1) and (t.typtype in ('e', 'd', 'r', 'm', 'p') or t.typtype = 'b' and t.typelem = 0)
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
   and not exists (select from pg_catalog.pg_depend d join pg_catalog.pg_depend e on e.classid = d.refclassid and e.objid = d.refobjid and e.deptype = 'e'
                    where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'i' and t.typtype = 'm')
