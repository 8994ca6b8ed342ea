select 'table' as kind, n.nspname::text as schema, quote_ident(c.relname) as name, 'policy ' || quote_ident(pol.polname) || ' ' || p.property as property, p.form, p.value
  from pg_catalog.pg_policy pol
  join pg_catalog.pg_class c on c.oid = pol.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  cross join lateral (values
    ('command', 'plain', pol.polcmd::text || case when pol.polpermissive then ' permissive' else ' restrictive' end),
    ('roles', 'plain', (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ' order by r) from unnest(pol.polroles) r)),
    ('using', 'sql', pg_get_expr(pol.polqual, pol.polrelid)),
    ('check', 'sql', pg_get_expr(pol.polwithcheck, pol.polrelid)),
    ('comment', 'plain', obj_description(pol.oid, 'pg_policy'))
  ) p (property, form, value)
 where n.nspname = any($1)
