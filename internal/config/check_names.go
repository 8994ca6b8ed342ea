package config

import (
	"slices"
	"strings"

	"tenantctl/internal/tenant"
)

// claim is a schema that a tenant takes on an instance.
type claim struct{ instance, schema string }

// schemas checks the names that a tenant gets in the database: PostgreSQL keeps 63 bytes of them, some are taken, and no two
// tenants may share one.
func (c *checker) schemas() {
	entries := c.file.doc.Tenants.entries
	owner := make(map[claim]string, len(entries))
	taken := make([]claim, len(entries))
	prefixes := map[string]string{}
	for _, in := range c.file.Instances() {
		prefixes[in.Name] = in.RolePrefix
	}
	for i := range entries {
		spec, ok := c.specOf(&entries[i])
		if !ok {
			c.badSchema(&entries[i])
			continue
		}
		if !c.schemaAllowed(spec) {
			continue
		}
		c.roles(spec, prefixes[spec.Instance])
		taken[i] = claim{spec.Instance, spec.Schema}
		if other, twice := owner[taken[i]]; twice {
			c.problem(c.schemaPath(spec.Name), "schema %q on instance %q is tenant %s's already; give one of them another schema",
				spec.Schema, spec.Instance, other)
			continue
		}
		owner[taken[i]] = entries[i].Name
	}
	for i, own := range taken {
		c.sideSchemas(entries[i].Name, own, owner)
	}
}

// sideSchemas keeps tenant_x__sales from belonging to anyone but the tenant of tenant_x: that is where the schema "sales" of
// its legacy database goes.
func (c *checker) sideSchemas(name string, own claim, owner map[claim]string) {
	for end := range own.schema {
		if end == 0 || !strings.HasPrefix(own.schema[end:], "__") {
			continue
		}
		if other, found := owner[claim{own.instance, own.schema[:end]}]; found {
			c.problem(c.schemaPath(tenant.Name(name)), "schema %q begins with %q, which is kept for further schemas of tenant %s; give one of them another schema",
				own.schema, own.schema[:end]+"__", other)
			return
		}
	}
}

func (c *checker) badSchema(e *entry[declaredTenant]) {
	if _, err := tenant.ParseName(e.Name); err != nil {
		return // the decoder has told
	}
	pattern := first(e.Value.Schema, c.file.doc.Defaults.Schema, DefaultSchema)
	schema := strings.ReplaceAll(pattern, "{tenant}", tenant.Name(e.Name).Ident())
	if strings.ContainsRune(schema, 0) {
		c.problem(c.schemaPath(tenant.Name(e.Name)), "the schema's name holds a NUL, which PostgreSQL doesn't take")
		return
	}
	c.problem(c.schemaPath(tenant.Name(e.Name)), "the schema's name %q is %d bytes long, of which PostgreSQL keeps 63; give the tenant a shorter schema",
		schema, len(schema))
}

// schemaAllowed refuses names that mean something else.
func (c *checker) schemaAllowed(spec tenant.Spec) bool {
	switch {
	case strings.HasPrefix(spec.Schema, "pg_"):
		c.problem(c.schemaPath(spec.Name), "schema %q begins with pg_, which PostgreSQL keeps for itself", spec.Schema)
	case slices.Contains([]string{"public", "ext", "information_schema", "tenantctl", "tenantctl_instance"}, spec.Schema):
		c.problem(c.schemaPath(spec.Name), "schema %q is shared by all tenants; give the tenant one of its own", spec.Schema)
	case strings.ContainsAny(spec.Schema, "{}"):
		c.problem(c.schemaPath(spec.Name), "schema %q has braces; {tenant} is the only word that may stand in them", spec.Schema)
	default:
		return true
	}
	return false
}

// roles checks the names of a tenant's roles, of which the instance's prefix is a part.
func (c *checker) roles(spec tenant.Spec, prefix string) {
	services := spec.Services
	if spec.Legacy && spec.Mapping == "" {
		services = append(slices.Clip(services), "legacy")
	}
	for _, service := range services {
		if _, err := spec.Name.RoleFor(prefix, service); err != nil {
			c.problem(at("tenants", string(spec.Name)), "the name of its role for service %q is longer than the 63 bytes that PostgreSQL keeps; "+
				"shorten the tenant's or the service's name, or the instance's rolePrefix", service)
		}
	}
}

// schemaPath is where a tenant's schema comes from: its own key or, for the pattern of the defaults, the tenant.
func (c *checker) schemaPath(name tenant.Name) path {
	if t := c.file.doc.Tenants.get(string(name)); t != nil && t.Schema != "" {
		return at("tenants", string(name), "schema")
	}
	return at("tenants", string(name))
}
