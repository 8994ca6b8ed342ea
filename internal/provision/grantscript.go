package provision

import (
	"fmt"

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
	grants := fmt.Sprintf("select tenantctl_instance.grant_missing(%s, %s, %s, %s)", postgres.Literal(postgres.Ident(spec.Schema)),
		postgres.Literal(postgres.Ident(owner)), postgres.Literal(postgres.Ident(t.roles[service])), postgres.Literal(s.Table()))
	return Hands{Role: owner, Path: []string{spec.Schema, Ext}, Grants: grants}, nil
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
