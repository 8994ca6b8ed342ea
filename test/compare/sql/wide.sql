-- What belongs to a whole database and not to one schema of it: a tenant's move may add extensions and nothing else.
select 'schema ' || nspname from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp'
union all select 'extension ' || extname || ' ' || extversion from pg_catalog.pg_extension
union all select 'cast ' || c.castsource::regtype || ' as ' || c.casttarget::regtype from pg_catalog.pg_cast c where c.oid >= 16384
union all select 'event trigger ' || evtname from pg_catalog.pg_event_trigger
union all select 'publication ' || pubname from pg_catalog.pg_publication
union all select 'subscription ' || subname from pg_catalog.pg_subscription where subdbid = (select oid from pg_catalog.pg_database where datname = current_database())
union all select 'foreign server ' || srvname from pg_catalog.pg_foreign_server
union all select 'foreign data wrapper ' || fdwname from pg_catalog.pg_foreign_data_wrapper
    where not exists (select from pg_catalog.pg_depend where classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass and objid = pg_foreign_data_wrapper.oid and deptype = 'e')
union all select 'language ' || lanname from pg_catalog.pg_language
union all select 'access method ' || amname from pg_catalog.pg_am
union all select 'transform for ' || trftype::regtype from pg_catalog.pg_transform
union all select 'default privileges of ' || defaclrole::regrole || ' ' || defaclobjtype::text || ' ' || coalesce(defaclnamespace::regnamespace::text, '') || ' ' || defaclacl::text
    from pg_catalog.pg_default_acl
union all select 'setting ' || unnest(setconfig) from pg_catalog.pg_db_role_setting
    where setdatabase = (select oid from pg_catalog.pg_database where datname = current_database())
union all select 'large object ' || oid from pg_catalog.pg_largeobject_metadata
union all select 'function in pg_catalog: ' || oid::regprocedure from pg_catalog.pg_proc p where pronamespace = 'pg_catalog'::regnamespace and oid >= 16384
    and not exists (select from pg_catalog.pg_depend where classid = 'pg_catalog.pg_proc'::regclass and objid = p.oid and deptype = 'e')
union all select 'in public: ' || c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public'
 order by 1
