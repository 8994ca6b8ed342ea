-- What a move leaves behind without harm: grants, owners, tablespaces, settings, security labels; and how many large objects
-- there are.
with own as (
    select 'pg_class'::regclass as classid, c.oid, c.relowner as owner, c.relacl as acl, c.relnamespace as schema, c.reltablespace as tablespace
    from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'i') and c.relpersistence <> 't'
    union all select 'pg_proc'::regclass, oid, proowner, proacl, pronamespace, 0 from pg_proc
    union all select 'pg_type'::regclass, oid, typowner, typacl, typnamespace, 0 from pg_type where typrelid = 0 and typelem = 0
), object as (
    select o.owner, o.acl, o.tablespace from own o
    join pg_namespace n on n.oid = o.schema
    where left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence')
        and not exists (select from pg_depend d where d.classid = o.classid and d.objid = o.oid and d.deptype = 'e')
    union all
    select n.nspowner, n.nspacl, 0 from pg_namespace n
    where left(n.nspname, 3) <> 'pg_' and n.nspname not in ('information_schema', 'tenantctl_fence', 'public')
), grantee as (
    select case when a.grantee = 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end as name, count(*) as objects
    from (
        select owner, acl from object
        union all -- on single columns
        select c.relowner, t.attacl from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and left(n.nspname, 3) <> 'pg_' and n.nspname <> 'information_schema'
        join pg_attribute t on t.attrelid = c.oid and t.attnum > 0 and t.attacl is not null
    ) o cross join lateral aclexplode(o.acl) a
    where a.grantee <> o.owner
    group by a.grantee
)
select array(select format('%s (%s)', name, objects) from grantee order by name) as grants,
    array(select distinct pg_get_userbyid(owner)::text from object order by 1) as owners,
    array(select t.spcname || ' (' || count(*) || ')' from object o join pg_tablespace t on t.oid = o.tablespace group by t.spcname order by t.spcname) as tablespaces,
    array(select distinct l.provider from pg_seclabels l where l.objoid >= 16384 order by 1) as label_providers,
    array(
        select distinct format('%s of %s', split_part(c, '=', 1),
            case when s.setrole = 0 then 'the database' else 'role ' || pg_get_userbyid(s.setrole) end || case when s.setrole <> 0 and s.setdatabase <> 0 then ' in it' else '' end)
        from pg_db_role_setting s cross join unnest(s.setconfig) c
        where (s.setdatabase = (select oid from pg_database where datname = current_database())
                or s.setdatabase = 0 and (s.setrole in (select owner from object) or s.setrole = (select oid from pg_roles where rolname = current_user)))
            and not (s.setrole = 0 and c like 'default\_transaction\_read\_only=%' and exists (select from pg_namespace where nspname = 'tenantctl_fence'))
        order by 1) as settings,
    (select count(*) from pg_largeobject_metadata) as large_objects
