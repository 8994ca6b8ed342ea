package provision

import (
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Hands says in whose hands the objects of one tenant's stream are: who owns them, along which path names are found, and what
// gives the tenant's role its privileges.
type Hands struct {
	Role   string
	Path   []string
	Grants string
}

// Hands is for whoever runs a stream's files on a tenant that is there: an upgrade. Grants belongs in the transaction that made
// the objects, so that no service ever meets one that it may not use. It grants what Provision would find missing.
func (p *Provisioner) Hands(spec tenant.Spec, service string) (Hands, error) {
	s, err := p.stream(service)
	if err != nil {
		return Hands{}, err
	}
	t, err := p.names.tenancy(tenant.Spec{Name: spec.Name, Schema: spec.Schema, Services: []string{service}}, false)
	if err != nil {
		return Hands{}, err
	}
	owner := p.names.owner(service)
	fill := strings.NewReplacer("{schema}", postgres.Literal(postgres.Ident(spec.Schema)), "{owner}", postgres.Literal(postgres.Ident(owner)),
		"{role}", postgres.Literal(postgres.Ident(t.roles[service])), "{version table}", postgres.Literal(s.Table()))
	return Hands{Role: owner, Path: []string{spec.Schema, Ext}, Grants: fill.Replace(missingGrants)}, nil
}

// Owner is the role that owns what a service's stream makes, in every tenant's schema.
func (p *Provisioner) Owner(service string) string { return p.names.owner(service) }

// Lifted is the role that owns what was lifted into a tenant's schema. A name too long for a role owns nothing.
func (p *Provisioner) Lifted(name tenant.Name) string {
	role, err := name.RoleFor(p.RolePrefix, liftedRole)
	if err != nil {
		return ""
	}
	return role
}

// missingGrants is wantedOn for everything in a schema at once. The way in is what depends on the schema, as in objects.sql.
const missingGrants = `do $grants$
declare
  missing text;
begin
  for missing in
    with member as materialized (
      select classid, objid from pg_depend
      where refclassid = 'pg_namespace'::regclass and refobjid = {schema}::regnamespace and refobjsubid = 0 and deptype = 'n'
    )
    select format(case c.relkind when 'S' then 'grant usage, select, update on sequence %s to %s'
                                 else 'grant select, insert, update, delete on %s to %s' end, c.oid::regclass, {role})
    from member m join pg_class c on m.classid = 'pg_class'::regclass and c.oid = m.objid
    where c.relowner = {owner}::regrole and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relname <> {version table}
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
        and (d.deptype = 'e' or c.relkind = 'S' and d.deptype = 'i'))
      and (select count(*) from aclexplode(c.relacl) a where a.grantee = {role}::regrole
        and a.privilege_type in ('USAGE', 'SELECT', 'INSERT', 'UPDATE', 'DELETE')) < case c.relkind when 'S' then 3 else 4 end
    union all
    select format('grant execute on routine %s to %s', p.oid::regprocedure, {role})
    from member m join pg_proc p on m.classid = 'pg_proc'::regclass and p.oid = m.objid
    where p.proowner = {owner}::regrole
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
      and not exists (select from aclexplode(p.proacl) a where a.grantee = {role}::regrole)
  loop
    execute missing;
  end loop;
end $grants$`
