select case c.relkind when 'v' then 'view' else 'table' end as kind, n.nspname::text as schema, quote_ident(c.relname) as name,
       'rule ' || quote_ident(r.rulename) || ' ' || p.property as property, p.form, p.value
  from pg_catalog.pg_rewrite r
  join pg_catalog.pg_class c on c.oid = r.ev_class
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  cross join lateral (values
    ('definition', 'view', pg_get_ruledef(r.oid)),
    ('enabled', 'plain', r.ev_enabled::text),
    ('comment', 'plain', obj_description(r.oid, 'pg_rewrite'))
  ) p (property, form, value)
 where n.nspname = any($1) and r.rulename <> '_RETURN'
