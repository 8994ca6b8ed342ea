select 'operator' as kind, n.nspname::text as schema, o.oprname || ' (' || o.oprleft::regtype || ', ' || o.oprright::regtype || ')' as name, p.property, p.form, p.value
  from pg_catalog.pg_operator o
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  cross join lateral (values
    ('result', 'sql', o.oprresult::regtype::text),
    ('function', 'sql', o.oprcode::text),
    ('commutator', 'sql', case when o.oprcom <> 0 then o.oprcom::regoperator::text end),
    ('negator', 'sql', case when o.oprnegate <> 0 then o.oprnegate::regoperator::text end),
    ('estimators', 'sql', o.oprrest::text || ' ' || o.oprjoin::text),
    ('can', 'plain', 'hash ' || o.oprcanhash || ', merge ' || o.oprcanmerge),
    ('comment', 'plain', obj_description(o.oid, 'pg_operator'))
  ) p (property, form, value)
 where n.nspname = any($1)
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_operator'::regclass and d.objid = o.oid and d.deptype = 'e')
union all
select 'operator class', n.nspname::text, quote_ident(o.opcname) || ' using ' || am.amname, p.property, p.form, p.value
  from pg_catalog.pg_opclass o
  join pg_catalog.pg_namespace n on n.oid = o.opcnamespace
  join pg_catalog.pg_am am on am.oid = o.opcmethod
  join pg_catalog.pg_opfamily f on f.oid = o.opcfamily
  join pg_catalog.pg_namespace fn on fn.oid = f.opfnamespace
  cross join lateral (values
    ('input', 'sql', o.opcintype::regtype::text),
    ('default', 'plain', o.opcdefault::text),
    ('stored', 'sql', case when o.opckeytype <> 0 then o.opckeytype::regtype::text end),
    ('family', 'sql', quote_ident(fn.nspname) || '.' || quote_ident(f.opfname)),
    ('comment', 'plain', obj_description(o.oid, 'pg_opclass'))
  ) p (property, form, value)
 where n.nspname = any($1)
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_opclass'::regclass and d.objid = o.oid and d.deptype = 'e')
union all
select 'operator family', n.nspname::text, quote_ident(f.opfname) || ' using ' || am.amname, p.property, p.form, p.value
  from pg_catalog.pg_opfamily f
  join pg_catalog.pg_namespace n on n.oid = f.opfnamespace
  join pg_catalog.pg_am am on am.oid = f.opfmethod
  cross join lateral (values
    ('operators', 'sql', (select string_agg(ao.amopstrategy || ' ' || ao.amopopr::regoperator || ' ' || ao.amoppurpose::text, ', ' order by ao.amopstrategy, ao.amopopr::regoperator::text)
                            from pg_catalog.pg_amop ao where ao.amopfamily = f.oid)),
    ('functions', 'sql', (select string_agg(ap.amprocnum || ' ' || ap.amproc::regprocedure, ', ' order by ap.amprocnum, ap.amproc::regprocedure::text)
                            from pg_catalog.pg_amproc ap where ap.amprocfamily = f.oid)),
    ('exists', 'plain', 'yes')
  ) p (property, form, value)
 where n.nspname = any($1)
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_opfamily'::regclass and d.objid = f.oid and d.deptype = 'e')
