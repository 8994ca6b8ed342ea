select 'statistics' as kind, n.nspname::text as schema, quote_ident(s.stxname) as name, p.property, p.form, p.value
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
  cross join lateral (values
    ('definition', 'sql', pg_get_statisticsobjdef(s.oid)),
    ('target', 'plain', s.stxstattarget::text),
    ('comment', 'plain', obj_description(s.oid, 'pg_statistic_ext'))
  ) p (property, form, value)
 where n.nspname = any($1)
