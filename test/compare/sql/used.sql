select n.nspname::text
  from pg_catalog.pg_namespace n
 where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
   and (n.nspname = 'public'
     or exists (select from pg_catalog.pg_depend d
                 where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = n.oid and d.classid <> 'pg_catalog.pg_extension'::regclass
                   and not exists (select from pg_catalog.pg_depend e where (e.classid, e.objid) = (d.classid, d.objid) and e.deptype = 'e'))
     or not exists (select from pg_catalog.pg_depend d where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = n.oid))
 order by 1
