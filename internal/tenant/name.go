package tenant

import (
	"fmt"
	"regexp"
	"strings"
)

// Name is a tenant's slug: 1 to 40 characters of [a-z0-9-], no hyphen at either end, no two hyphens in a row.
type Name string

// maxIdentifier is the longest name PostgreSQL keeps, in bytes; a longer one is cut silently.
const maxIdentifier = 63

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// ParseName checks a slug. The error says which rule it breaks.
func ParseName(s string) (Name, error) {
	switch {
	case s == "":
		return "", fmt.Errorf("tenant name is empty: %w", ErrInvalid)
	case strings.Contains(s, "--"):
		return "", fmt.Errorf("tenant name %q has two hyphens in a row: %w", s, ErrInvalid)
	case !namePattern.MatchString(s):
		return "", fmt.Errorf("tenant name %q must be 1 to 40 of a-z, 0-9 and single hyphens, and begin and end with a letter or digit: %w", s, ErrInvalid)
	}
	return Name(s), nil
}

// Ident is the name as it stands inside names of the database: hyphens become underscores.
func (n Name) Ident() string { return strings.ReplaceAll(string(n), "-", "_") }

// SchemaFor fills a schema pattern such as "tenant_{tenant}".
func (n Name) SchemaFor(pattern string) (string, error) {
	schema := strings.ReplaceAll(pattern, "{tenant}", n.Ident())
	if err := CheckIdentifier(schema); err != nil {
		return "", fmt.Errorf("schema of tenant %q: %w", n, err)
	}
	return schema, nil
}

// RoleFor names the NOLOGIN role under which a service works on the tenant's data: "<prefix>t_client_x__core".
// Roles are server-wide, hence the prefix of the instance.
func (n Name) RoleFor(prefix, service string) (string, error) {
	role := prefix + "t_" + n.Ident() + "__" + strings.ReplaceAll(service, "-", "_")
	if err := CheckIdentifier(role); err != nil {
		return "", fmt.Errorf("role of tenant %q for service %q: %w", n, service, err)
	}
	return role, nil
}

// OfRole reads the tenant and the service from the name of a role, as RoleFor makes it.
func OfRole(prefix, role string) (n Name, service string, err error) {
	rest, ours := strings.CutPrefix(role, prefix+"t_")
	ident, service, whole := strings.Cut(rest, "__")
	n, err = ParseName(strings.ReplaceAll(ident, "_", "-"))
	if !ours || !whole || err != nil {
		return "", "", fmt.Errorf("role %q is no tenant's", role)
	}
	return n, strings.ReplaceAll(service, "_", "-"), nil
}

// CheckIdentifier refuses a database name that is empty, would be cut by PostgreSQL or holds a NUL.
func CheckIdentifier(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("name is empty: %w", ErrInvalid)
	case len(s) > maxIdentifier:
		return fmt.Errorf("name %q is %d bytes long, PostgreSQL keeps %d: %w", s, len(s), maxIdentifier, ErrInvalid)
	case strings.ContainsRune(s, 0):
		return fmt.Errorf("name %q holds a NUL: %w", s, ErrInvalid)
	}
	return nil
}
