-- Objects other than code that a tenant's schema can't hold, that need an administrator with more rights, or that lie where
-- only the system's or an extension's do.
with space as (
    select oid, nspname from pg_namespace where left(nspname, 3) <> 'pg_' and nspname not in ('information_schema', 'tenantctl_fence')
), candidate (kind, classid, oid, detail) as (
    select 'base-type', 'pg_type'::regclass, t.oid, '' from pg_type t join space on space.oid = t.typnamespace
    where (t.typtype = 'b' or t.typtype = 'p') and not exists (select from pg_type e where e.typarray = t.oid)
    union all
    select 'operator-class', 'pg_opclass'::regclass, o.oid, '' from pg_opclass o join space on space.oid = o.opcnamespace
    union all
    select 'operator-class', 'pg_opfamily'::regclass, o.oid, '' from pg_opfamily o join space on space.oid = o.opfnamespace
    union all
    select 'access-method', 'pg_am'::regclass, oid, '' from pg_am where oid >= 16384
    union all
    select 'text-search', 'pg_ts_parser'::regclass, p.oid, '' from pg_ts_parser p where p.oid >= 16384
    union all
    select 'text-search', 'pg_ts_template'::regclass, t.oid, '' from pg_ts_template t where t.oid >= 16384
    union all
    select 'dictionary-file', 'pg_ts_dict'::regclass, d.oid, d.dictinitoption from pg_ts_dict d
    join space on space.oid = d.dictnamespace
    where d.dictinitoption ~* '\m(dictfile|afffile|synonyms|rules|stopwords)\M'
    union all
    -- those that a superuser's fence doesn't keep quiet
    select 'event-trigger', 'pg_event_trigger'::regclass, oid, evtevent::text from pg_event_trigger
    where evtenabled in ('A', 'R') or (evtenabled = 'O' and current_setting('is_superuser') = 'off')
    union all
    select 'publication', 'pg_publication'::regclass, oid, '' from pg_publication
    union all
    select case when s.subenabled then 'subscription-enabled' else 'subscription' end, 'pg_subscription'::regclass, null, s.subname::text
    from pg_subscription s where s.subdbid = (select oid from pg_database where datname = current_database())
    union all
    select 'foreign-server', 'pg_foreign_server'::regclass, oid, '' from pg_foreign_server
    union all
    select 'foreign-server', 'pg_foreign_data_wrapper'::regclass, oid, '' from pg_foreign_data_wrapper
    union all
    select 'user-mapping', 'pg_user_mapping'::regclass, null, coalesce(usename, 'public') || ' on server ' || srvname from pg_user_mappings
    union all
    select 'default-acl', 'pg_default_acl'::regclass, oid, '' from pg_default_acl
    union all
    select 'system-object', 'pg_class'::regclass, c.oid, n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid >= 16384 and n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    union all
    select 'system-object', 'pg_proc'::regclass, p.oid, n.nspname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.oid >= 16384 and n.nspname in ('pg_catalog', 'information_schema')
    union all
    select 'system-object', 'pg_type'::regclass, t.oid, n.nspname::text from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where t.oid >= 16384 and n.nspname in ('pg_catalog', 'information_schema') and t.typrelid = 0 and not exists (select from pg_type e where e.typarray = t.oid)
    union all
    select 'system-object', 'pg_operator'::regclass, o.oid, n.nspname::text from pg_operator o join pg_namespace n on n.oid = o.oprnamespace
    where o.oid >= 16384 and n.nspname in ('pg_catalog', 'information_schema')
    union all
    select 'extension-space', 'pg_class'::regclass, c.oid, e.extname::text
    from pg_class c
    join pg_depend o on o.classid = 'pg_namespace'::regclass and o.objid = c.relnamespace and o.deptype = 'e'
    join pg_extension e on e.oid = o.refobjid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
), found as (
    select * from candidate c
    where c.oid is null or not exists (select from pg_depend d where d.classid = c.classid and d.objid = c.oid and d.deptype = 'e')
)
select f.kind, coalesce(i.type || ' ' || i.identity, replace(split_part(f.kind, '-enabled', 1), '-', ' ') || ' ' || f.detail) as object, f.detail
from found f
left join lateral pg_identify_object(f.classid, f.oid, 0) i on f.oid is not null
order by 1, 2
