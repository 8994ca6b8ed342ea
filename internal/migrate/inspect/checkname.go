package inspect

import (
	"context"
	"fmt"
)

// longestName is what PostgreSQL keeps of a name, in bytes.
const longestName = 63

// names checks that every schema's name has room behind the tenant's: s becomes tenant_x__s.
func (c *checker) names(context.Context) error {
	if c.opts.TargetSchema == "" {
		return nil
	}
	for _, schema := range c.catalog.Schemas {
		name := c.opts.TargetSchema
		if schema != "public" {
			name += "__" + schema
		}
		if len(name) > longestName {
			c.refuse("name-too-long", "schema "+quote(schema), fmt.Sprintf("would become %s, %d bytes long; PostgreSQL keeps %d", quote(name), len(name), longestName),
				fmt.Sprintf("rename it to at most %d bytes", longestName-len(c.opts.TargetSchema)-len("__")))
		}
	}
	return nil
}
