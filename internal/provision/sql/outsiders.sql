-- $1 names of schemas: what lies outside them and depends on something inside. Dropping the inside would take it along.
with spaces as (
    select oid from pg_namespace where nspname = any($1)
), inside as (
    select 'pg_class'::regclass::oid as classid, oid as objid from pg_class where relnamespace in (select oid from spaces)
    union all select 'pg_proc'::regclass::oid, oid from pg_proc where pronamespace in (select oid from spaces)
    union all select 'pg_type'::regclass::oid, oid from pg_type where typnamespace in (select oid from spaces)
    union all select 'pg_operator'::regclass::oid, oid from pg_operator where oprnamespace in (select oid from spaces)
    union all select 'pg_collation'::regclass::oid, oid from pg_collation where collnamespace in (select oid from spaces)
    union all select 'pg_ts_config'::regclass::oid, oid from pg_ts_config where cfgnamespace in (select oid from spaces)
), dependent as (
    select distinct d.classid, d.objid,
        case d.classid
            when 'pg_class'::regclass then (select relnamespace from pg_class where oid = d.objid)
            when 'pg_proc'::regclass then (select pronamespace from pg_proc where oid = d.objid)
            when 'pg_type'::regclass then (select typnamespace from pg_type where oid = d.objid)
            when 'pg_constraint'::regclass then (select connamespace from pg_constraint where oid = d.objid)
            when 'pg_operator'::regclass then (select oprnamespace from pg_operator where oid = d.objid)
            when 'pg_rewrite'::regclass then (select relnamespace from pg_rewrite r join pg_class c on c.oid = r.ev_class where r.oid = d.objid)
            when 'pg_attrdef'::regclass then (select relnamespace from pg_attrdef a join pg_class c on c.oid = a.adrelid where a.oid = d.objid)
            when 'pg_trigger'::regclass then (select relnamespace from pg_trigger t join pg_class c on c.oid = t.tgrelid where t.oid = d.objid)
            when 'pg_policy'::regclass then (select relnamespace from pg_policy p join pg_class c on c.oid = p.polrelid where p.oid = d.objid)
        end as space
    from inside i
    join pg_depend d on d.refclassid = i.classid and d.refobjid = i.objid and d.deptype in ('n', 'a')
)
select pg_describe_object(classid, objid, 0) as name
from dependent
where space not in (select oid from spaces) and space <> 'pg_toast'::regnamespace
order by 1
