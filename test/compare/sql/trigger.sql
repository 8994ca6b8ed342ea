select case c.relkind when 'v' then 'view' when 'f' then 'foreign table' else 'table' end as kind, n.nspname::text as schema, quote_ident(c.relname) as name,
       'trigger ' || quote_ident(t.tgname) || ' ' || p.property as property, p.form, p.value
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_constraint con on con.oid = t.tgconstraint
  cross join lateral (values
    ('definition', 'sql', pg_get_triggerdef(t.oid)),
    ('enabled', 'plain', t.tgenabled::text),
    ('deferrable', 'plain', t.tgdeferrable || ' ' || t.tginitdeferred),
    ('from', 'sql', case when t.tgconstrrelid <> 0 then t.tgconstrrelid::regclass::text end),
    ('is a clone', 'plain', (t.tgparentid <> 0)::text),
    ('comment', 'plain', obj_description(t.oid, 'pg_trigger'))
  ) p (property, form, value)
 where n.nspname = any($1) and (t.tgconstraint = 0 or con.contype = 't') and (not t.tgisinternal or t.tgparentid <> 0)
