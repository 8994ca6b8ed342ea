package provision

import (
	"fmt"
	"strings"

	"tenantctl/internal/tenant"
)

// The names that stand in a role's name where others have the service's.
const (
	lifted     = "legacy" // the tenant, as its old application sees it
	liftedRole = "owner"  // owns what was lifted
)

// Ext is the schema of what all tenants of an instance share: extensions.
const Ext = "ext"

// InstanceSchema is the schema of tenantctl's own on each instance.
const InstanceSchema = "tenantctl_instance"

// names knows what things are called on one instance.
type names struct {
	prefix  string
	control string // the control database's id
}

func (n names) admin() string { return n.prefix + "tenantctl_admin" }

// everyone is the group of all tenants' roles.
func (n names) everyone() string { return n.prefix + "tenantctl_tenants" }

// owner is the role that owns what a service's stream makes.
func (n names) owner(service string) string {
	return n.prefix + "tenantctl_owner__" + underscored(service)
}

// login is the role with which a service logs in for the tenants of a cell.
func (n names) login(cell, service string) string {
	return n.prefix + "tenantctl_" + underscored(cell) + "__" + underscored(service)
}

func underscored(s string) string { return strings.ReplaceAll(s, "-", "_") }

// mark is the comment on what we made for a tenant, or for all where the name is shared.
func (n names) markOf(of string) string { return "tenantctl:" + n.control + ":" + of }

// shared stands for the tenant in the mark of what belongs to all of them; it is no tenant's name.
const shared = "*"

// template stands for the tenant in the mark of a schema that templates are taken from.
const template = "*template"

// check refuses services whose roles would have the names of others, or names that PostgreSQL would cut.
func (n names) check(services []string) error {
	for _, service := range services {
		if service == lifted || service == liftedRole {
			return fmt.Errorf("service %q: the name is taken by the roles of lifted tenants: %w", service, tenant.ErrInvalid)
		}
		for _, role := range []string{n.owner(service), n.login("c1000000", service)} {
			if err := tenant.CheckIdentifier(role); err != nil {
				return fmt.Errorf("role of service %q: %w", service, err)
			}
		}
	}
	return nil
}

// tenancy is what things of one tenant are called.
type tenancy struct {
	spec     tenant.Spec
	mark     string
	services []string // of the spec, then "legacy" where something was or will be lifted
	roles    map[string]string
	liftedBy string // the role that owns what was lifted
}

// tenancy names what a tenant has. withLift adds the roles of a lift.
func (n names) tenancy(spec tenant.Spec, withLift bool) (tenancy, error) {
	t := tenancy{spec: spec, mark: n.markOf(string(spec.Name)), roles: map[string]string{}}
	if err := tenant.CheckIdentifier(spec.Schema); err != nil {
		return tenancy{}, fmt.Errorf("schema of tenant %q: %w", spec.Name, err)
	}
	t.services = append(t.services, spec.Services...)
	if withLift {
		t.services = append(t.services, lifted)
	}
	for _, service := range t.services {
		role, err := spec.Name.RoleFor(n.prefix, service)
		if err != nil {
			return tenancy{}, err
		}
		t.roles[service] = role
	}
	owner, err := spec.Name.RoleFor(n.prefix, liftedRole)
	t.liftedBy = owner
	return t, err
}
