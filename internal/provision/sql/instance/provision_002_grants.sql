-- Gives a tenant's role what it lacks on the objects that a service's owner has in a schema: what provisioning would find
-- missing there, for the transaction that made them. The owner runs it, and can grant only what is its own.
--
-- A routine and not a block of each file's message: parsing and planning the question costs more than the answer. The path is
-- set because a plan is kept for one path only, and each tenant has its own. The way in is what depends on the schema, as in objects.sql.
create function tenantctl_instance.grant_missing(within regnamespace, owned_by regrole, tenant regrole, version_table name) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $grants$
declare
    missing text;
begin
    for missing in
        with member as materialized (
            select classid, objid from pg_depend
            where refclassid = 'pg_namespace'::regclass and refobjid = within and refobjsubid = 0 and deptype = 'n'
        )
        select format(case c.relkind when 'S' then 'grant usage, select, update on sequence %s to %s'
                                     else 'grant select, insert, update, delete on %s to %s' end, c.oid::regclass, tenant)
        from member as m join pg_class as c on m.classid = 'pg_class'::regclass and c.oid = m.objid
        where c.relowner = owned_by and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relname <> version_table
          and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
            and (d.deptype = 'e' or c.relkind = 'S' and d.deptype = 'i'))
          and (select count(*) from aclexplode(c.relacl) as a where a.grantee = tenant
            and a.privilege_type in ('USAGE', 'SELECT', 'INSERT', 'UPDATE', 'DELETE')) < case c.relkind when 'S' then 3 else 4 end
        union all
        select format('grant execute on routine %s to %s', p.oid::regprocedure, tenant)
        from member as m join pg_proc as p on m.classid = 'pg_proc'::regclass and p.oid = m.objid
        where p.proowner = owned_by
          and not exists (select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
          and not exists (select from aclexplode(p.proacl) as a where a.grantee = tenant)
    loop
        execute missing;
    end loop;
end $grants$;
comment on function tenantctl_instance.grant_missing is 'Gives a tenant''s role what it lacks on the objects of one owner in a schema.';
