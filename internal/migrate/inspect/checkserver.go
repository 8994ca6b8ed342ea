package inspect

import (
	"context"
	"fmt"
)

// oldestMajor is the oldest major version that this program reads.
const oldestMajor = 12

// servers checks that rows can go from the one server to the other at all.
func (c *checker) servers(context.Context) error {
	here, there := c.catalog.Server, c.there
	if here.SystemIdentifier != "" && here.SystemIdentifier == there.SystemIdentifier && here.Database == there.Database {
		c.refuse("same-database", c.database(), "is the legacy database and the target at once", "give the tenant's instance another DSN")
	}
	if here.Major() < oldestMajor {
		c.refuse("version", c.database(), fmt.Sprintf("runs on PostgreSQL %d; moves are tried from %d on", here.Major(), oldestMajor), "upgrade the legacy server first")
	}
	if there.Major() < here.Major() {
		c.refuse("version", "target database "+quote(there.Database),
			fmt.Sprintf("runs on PostgreSQL %d, older than the legacy server's %d: definitions of a newer version don't load into an older one", there.Major(), here.Major()),
			"choose an instance of version "+fmt.Sprint(here.Major())+" or newer")
	}
	if there.InRecovery || there.ReadOnly {
		c.refuse("target-read-only", "target database "+quote(there.Database), "takes no writes: it is "+readOnlyReason(there), "give the DSN of the primary")
	}
	return nil
}

func readOnlyReason(s Server) string {
	if s.InRecovery {
		return "a standby"
	}
	return "read only by default (default_transaction_read_only)"
}

// tools compares the client programs with both servers: pg_dump refuses a server newer than itself.
func (c *checker) tools(context.Context) error {
	if c.opts.Tools.Major == 0 {
		return nil
	}
	for _, side := range []struct {
		name   string
		server Server
	}{{"legacy", c.catalog.Server}, {"target", c.there}} {
		if c.opts.Tools.Major < side.server.Major() {
			c.refuse("tools", "pg_dump "+fmt.Sprint(c.opts.Tools.Major),
				fmt.Sprintf("is older than the %s server, PostgreSQL %d, and refuses it", side.name, side.server.Major()),
				fmt.Sprintf("install PostgreSQL's client programs of version %d or newer (Debian: `apt-get install postgresql-client-%[1]d`)", side.server.Major()))
		}
	}
	return nil
}
