-- $1 names of schemas, null for all: those that are neither the server's nor shared by all, with what tells who made them.
with space as (
    select n.oid, n.nspname, n.nspowner
    from pg_namespace n
    where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'public', 'ext', 'tenantctl', 'tenantctl_instance')
      and not starts_with(n.nspname, 'tenantctl_template_') and ($1::text[] is null or n.nspname = any($1))
), relation as (
    select s.oid as space, c.oid, c.relname
    from space s
    join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = s.oid and d.classid = 'pg_class'::regclass and d.deptype = 'n'
    join pg_class c on c.oid = d.objid and c.relkind in ('r', 'p')
), made_of as (
    select r.space, r.relname, count(*) as columns,
           bool_or(a.attname = 'version' and a.atttypid = 'bigint'::regtype) and bool_or(a.attname = 'dirty' and a.atttypid = 'boolean'::regtype) as versions,
           bool_or(a.attname = 'version' and a.atttypid in ('text'::regtype, 'varchar'::regtype)) as rails_versions
    from relation r
    join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    group by r.space, r.oid, r.relname
)
select s.nspname::text as name, quote_ident(s.nspname) as quoted, pg_get_userbyid(s.nspowner)::text as owner,
       coalesce(obj_description(s.oid, 'pg_namespace'), '') as mark,
       (select count(*) from relation r where r.space = s.oid) as tables,
       (select coalesce(sum(pg_total_relation_size(r.oid)), 0)::bigint from relation r where r.space = s.oid) as bytes,
       (select coalesce(array_agg(m.relname::text order by m.relname), '{}') from made_of m where m.space = s.oid and m.versions and m.columns = 2) as version_tables,
       exists (select from made_of m where m.space = s.oid and m.relname = 'schema_migrations' and m.rails_versions)
           and exists (select from relation r where r.space = s.oid and r.relname = 'ar_internal_metadata') as rails
from space s
order by 1
