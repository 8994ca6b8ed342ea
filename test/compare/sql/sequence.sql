select 'sequence' as kind, n.nspname::text as schema, quote_ident(c.relname) as name, p.property, p.form, p.value
  from pg_catalog.pg_sequence s
  join pg_catalog.pg_class c on c.oid = s.seqrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i') and d.refobjsubid > 0
  left join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  cross join lateral (values
    ('type', 'plain', s.seqtypid::regtype::text),
    ('start', 'plain', s.seqstart::text),
    ('increment', 'plain', s.seqincrement::text),
    ('bounds', 'plain', s.seqmin || ' ' || s.seqmax),
    ('cache', 'plain', s.seqcache::text),
    ('cycle', 'plain', s.seqcycle::text),
    ('owned by', 'sql', d.refobjid::regclass || '.' || quote_ident(a.attname) || case d.deptype when 'i' then ' (identity)' else '' end)
  ) p (property, form, value)
 where n.nspname = any($1)
