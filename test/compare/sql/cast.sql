select 'cast' as kind, '' as schema, c.castsource::regtype || ' as ' || c.casttarget::regtype as name, p.property, p.form, p.value
  from pg_catalog.pg_cast c
  join pg_catalog.pg_type s on s.oid = c.castsource
  join pg_catalog.pg_type t on t.oid = c.casttarget
  cross join lateral (values
    ('context', 'plain', concat_ws(' ', c.castcontext, c.castmethod)),
    ('function', 'sql', case when c.castfunc <> 0 then c.castfunc::regprocedure::text end),
    ('comment', 'plain', obj_description(c.oid, 'pg_cast'))
  ) p (property, form, value)
 where exists (select from pg_catalog.pg_namespace n where n.nspname = any($1)
                and (n.oid = s.typnamespace and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = s.oid and d.deptype = 'e')
                  or n.oid = t.typnamespace and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')))
   and c.oid >= 16384
   and not exists (select from pg_catalog.pg_range r where r.rngtypid = c.castsource and r.rngmultitypid = c.casttarget)
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_cast'::regclass and d.objid = c.oid and d.deptype = 'e')
