-- Definitions and comments that aren't valid UTF-8, in a database that doesn't say what its bytes mean. $1 is a regular
-- expression of valid ones.
select i.type || ' ' || encode(convert_to(i.identity, getdatabaseencoding()), 'escape') as object
from (
    select classoid as classid, objoid as oid, objsubid as sub from pg_description where objoid >= 16384 and description !~ $1
    union select 'pg_class'::regclass, oid, 0 from pg_class where oid >= 16384 and relname::text !~ $1
    union select 'pg_class'::regclass, attrelid, attnum from pg_attribute where attrelid >= 16384 and attnum > 0 and attname::text !~ $1
    union select 'pg_proc'::regclass, oid, 0 from pg_proc where oid >= 16384 and proname || prosrc !~ $1
    union select 'pg_type'::regclass, enumtypid, 0 from pg_enum where enumlabel::text !~ $1
    union select 'pg_class'::regclass, a.adrelid, a.adnum from pg_attrdef a where pg_get_expr(a.adbin, a.adrelid) !~ $1
    union select 'pg_constraint'::regclass, oid, 0 from pg_constraint where contype = 'c' and pg_get_constraintdef(oid) !~ $1
    union select 'pg_class'::regclass, v.oid, 0 from pg_class v where v.relkind in ('v', 'm') and v.oid >= 16384 and pg_get_viewdef(v.oid) !~ $1
) d
cross join lateral pg_identify_object(d.classid, d.oid, d.sub) i
order by 1
limit 20
