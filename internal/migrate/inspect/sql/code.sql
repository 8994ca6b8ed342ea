-- Code that a tenant's schema can't hold, or that needs an administrator with more rights. Names come from
-- pg_identify_object, which qualifies them and doesn't translate.
with own as (
    select p.*, l.lanname, l.lanpltrusted
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    join pg_language l on l.oid = p.prolang
    where left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
        -- what an extension owns, and a range type's constructors
        and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
), found (kind, classid, oid, detail) as (
    select 'native-function', 'pg_proc'::regclass, oid, lanname::text from own where lanname in ('c', 'internal') and prokind <> 'a'
    union all
    select 'untrusted-language', 'pg_proc'::regclass, oid, lanname::text from own where not lanpltrusted and lanname not in ('c', 'internal')
    union all
    select 'leakproof', 'pg_proc'::regclass, oid, '' from own where proleakproof
    union all
    select 'support-function', 'pg_proc'::regclass, oid, '' from own where prosupport <> 0
    union all
    select 'internal-aggregate', 'pg_proc'::regclass, own.oid, '' from own join pg_aggregate a on a.aggfnoid = own.oid
    where 'internal'::regtype in (a.aggtranstype, a.aggmtranstype)
    union all
    select 'function-setting', 'pg_proc'::regclass, own.oid, s.name
    from own cross join unnest(proconfig) c join pg_settings s on s.name = split_part(c, '=', 1) and s.context = 'superuser'
    union all
    select 'security-definer', 'pg_proc'::regclass, oid, pg_get_userbyid(proowner)::text from own where prosecdef
    union all
    select 'language', 'pg_language'::regclass, l.oid, '' from pg_language l
    where l.oid >= 16384 and not exists (select from pg_depend d where d.classid = 'pg_language'::regclass and d.objid = l.oid and d.deptype = 'e')
    union all
    select 'transform', 'pg_transform'::regclass, t.oid, '' from pg_transform t
    where not exists (select from pg_depend d where d.classid = 'pg_transform'::regclass and d.objid = t.oid and d.deptype = 'e')
    union all
    select case when not k.own then 'foreign-cast' else 'binary-cast' end, 'pg_cast'::regclass, c.oid, ''
    from pg_cast c
    cross join lateral (
        select exists (select from pg_type t where t.oid in (c.castsource, c.casttarget) and t.oid >= 16384
            and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')) as own) k
    where c.oid >= 16384 and (not k.own or c.castmethod = 'b')
        and not exists (select from pg_depend d where d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype = 'e')
)
select f.kind, i.type || ' ' || i.identity as object, f.detail
from found f
cross join lateral pg_identify_object(f.classid, f.oid, 0) i
order by 1, 2, 3
