package lift

import (
	"fmt"
	"slices"
	"sort"

	"tenantctl/internal/tenant"
)

// ExtensionSchema is where the extensions of an instance live, shared by its tenants.
const ExtensionSchema = "ext"

// Renaming says which of the tenant's schemas each legacy schema becomes.
type Renaming struct {
	Main    string            // the tenant's schema, which public becomes
	Schemas map[string]string // legacy schema -> tenant's schema, public included
	// Extensions is the schema of each extension on the shared instance.
	Extensions map[string]string
}

// NewRenaming names the tenant's schemas: public becomes main, any other schema s becomes main__s.
func NewRenaming(main string, legacySchemas []string) (Renaming, error) {
	r := Renaming{Main: main, Schemas: map[string]string{"public": main}, Extensions: map[string]string{}}
	for _, schema := range legacySchemas {
		if schema == "public" {
			continue
		}
		name := main + "__" + schema
		if err := tenant.CheckIdentifier(name); err != nil {
			return Renaming{}, fmt.Errorf("legacy schema %q: %w", schema, err)
		}
		r.Schemas[schema] = name
	}
	return r, nil
}

// Targets lists the tenant's schemas, the main one first.
func (r Renaming) Targets() []string {
	var others []string
	for _, target := range r.Schemas {
		if target != r.Main {
			others = append(others, target)
		}
	}
	sort.Strings(others)
	return append([]string{r.Main}, others...)
}

// Path turns the legacy application's search path into the tenant's: its own schemas in the same order, then the
// extensions'. The tenant's main schema is always in it.
func (r Renaming) Path(legacy []string) []string {
	var path []string
	seen := map[string]bool{}
	add := func(schema string) {
		if schema != "" && !seen[schema] {
			seen[schema] = true
			path = append(path, schema)
		}
	}
	for _, schema := range legacy {
		add(r.Schemas[schema])
	}
	add(r.Main)
	for _, schema := range r.extensionSchemas() {
		add(schema)
	}
	return path
}

// extensionSchemas are where extensions live on the instance, the usual one first.
func (r Renaming) extensionSchemas() []string {
	schemas := []string{ExtensionSchema}
	for _, schema := range sortedValues(r.Extensions) {
		if schema != "pg_catalog" && !slices.Contains(schemas, schema) {
			schemas = append(schemas, schema)
		}
	}
	return schemas
}

func sortedValues(m map[string]string) []string {
	values := make([]string, 0, len(m))
	for _, value := range m {
		values = append(values, value)
	}
	sort.Strings(values)
	return values
}
