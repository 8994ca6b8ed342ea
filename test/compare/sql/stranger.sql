-- What the schemas' objects depend on outside of them: nothing but the system and the extensions, or a tenant isn't alone.
with recursive inside as (
    select oid from pg_catalog.pg_namespace where nspname = any($1)
), member (classid, objid) as (
    select 'pg_catalog.pg_class'::regclass::oid, oid from pg_catalog.pg_class where relnamespace in (table inside)
    union all select 'pg_catalog.pg_proc'::regclass, oid from pg_catalog.pg_proc where pronamespace in (table inside)
    union all select 'pg_catalog.pg_type'::regclass, oid from pg_catalog.pg_type where typnamespace in (table inside)
    union all select 'pg_catalog.pg_operator'::regclass, oid from pg_catalog.pg_operator where oprnamespace in (table inside)
    union all select 'pg_catalog.pg_constraint'::regclass, oid from pg_catalog.pg_constraint where connamespace in (table inside)
    union all select 'pg_catalog.pg_attrdef'::regclass, d.oid from pg_catalog.pg_attrdef d join pg_catalog.pg_class c on c.oid = d.adrelid where c.relnamespace in (table inside)
    union all select 'pg_catalog.pg_rewrite'::regclass, r.oid from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class where c.relnamespace in (table inside)
    union all select 'pg_catalog.pg_trigger'::regclass, t.oid from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid where c.relnamespace in (table inside)
    union all select 'pg_catalog.pg_policy'::regclass, p.oid from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid where c.relnamespace in (table inside)
), target as (
    select distinct d.refclassid, d.refobjid, d.refobjsubid
      from member m join pg_catalog.pg_depend d on (d.classid, d.objid) = (m.classid, m.objid)
     where d.deptype in ('n', 'a') and d.refobjid >= 16384
       and not exists (select from pg_catalog.pg_depend e where (e.classid, e.objid) = (d.refclassid, d.refobjid) and e.deptype = 'e')
       and not exists (select from pg_catalog.pg_type t join pg_catalog.pg_depend e on (e.classid, e.objid) = ('pg_catalog.pg_type'::regclass, t.typelem) and e.deptype = 'e'
                        where d.refclassid = 'pg_catalog.pg_type'::regclass and t.oid = d.refobjid) -- an array of an extension's type
)
select distinct 'foreign object' as kind, '' as schema, o.identity as name, 'is depended on' as property, 'plain' as form, 'yes' as value
  from target cross join lateral pg_catalog.pg_identify_object(refclassid, refobjid, refobjsubid) o
 where o.schema is not null and o.schema <> all($1) and o.schema not in ('pg_catalog', 'information_schema', 'pg_toast')
