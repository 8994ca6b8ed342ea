package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

var (
	//go:embed sql/rights.sql
	rightsSQL string
	//go:embed sql/relation_rights.sql
	relationRightsSQL string
)

// rightsRow is what our role may do with the database.
type rightsRow struct {
	Owner         string
	Owned         bool
	CreateSchema  bool
	EndSessions   bool
	Others        []string // further roles that may connect
	ClosedSchemas []string
	ReadOnlyBy    string // where default_transaction_read_only comes from
	Locks         int    // that the server can hold at once
}

// relationRights is what our role may do with a table or sequence.
type relationRights struct {
	Schema, Name string
	Sequence     bool
	Owner        string
	Owned        bool
	Readable     bool
	Filtered     bool // row security would hide rows from us
	RowSecurity  bool
	Policies     []string
	PolicyRoles  []string
}

func (r relationRights) String() string { return Relation{Schema: r.Schema, Name: r.Name}.String() }

// privileges checks what stopping the writes and reading every row takes.
func (c *checker) privileges(ctx context.Context) error {
	rights, err := one[rightsRow](ctx, c.source, rightsSQL)
	if err != nil {
		return err
	}
	relations, err := collect(ctx, c.source, pgx.RowToStructByName[relationRights], relationRightsSQL)
	if err != nil {
		return err
	}
	c.writable(rights)
	c.ownership(rights, relations)
	c.reading(rights, relations)
	for _, r := range relations {
		c.rowSecurity(r)
	}
	if err := c.policyRoles(ctx, relations); err != nil {
		return err
	}
	return c.targetPrivileges(ctx)
}

func (c *checker) user() string { return postgres.Ident(c.catalog.Server.User) }

func (c *checker) role() string { return "role " + quote(c.catalog.Server.User) }

// writable checks that a fence can be put at all: on a standby it can't, and where somebody made our role read only, he
// meant it. A fence of our own that stands makes the database read only as well.
func (c *checker) writable(rights rightsRow) {
	server := c.catalog.Server
	if server.InRecovery {
		c.refuse("read-only-source", c.database(), "is a standby: writes can't be stopped there", "give the DSN of the primary")
	}
	if server.ReadOnly && !server.Fenced {
		database := postgres.Ident(server.Database)
		hint := map[string]string{
			"role":      "ALTER ROLE " + c.user() + " RESET default_transaction_read_only",
			"role here": "ALTER ROLE " + c.user() + " IN DATABASE " + database + " RESET default_transaction_read_only",
			"database":  "ALTER DATABASE " + database + " RESET default_transaction_read_only",
			"server":    "set default_transaction_read_only to off in the server's configuration",
		}[rights.ReadOnlyBy]
		c.refuse("read-only-source", c.role(), "has read-only transactions by default (default_transaction_read_only), and stopping the client's writes is a write", hint)
	}
	if !rights.EndSessions && !server.Superuser && len(rights.Others) > 0 {
		c.warn("session-privilege", c.role(), "can't end sessions of other roles; these may connect: "+list(quoted(rights.Others)), "GRANT pg_signal_backend TO "+c.user())
	}
	if len(c.catalog.Tables) > rights.Locks {
		c.refuse("locks", c.database(), fmt.Sprintf("has %s, and its server holds about %d locks at once; stopping writes and dumping lock them all", count(len(c.catalog.Tables), "table"), rights.Locks),
			"raise max_locks_per_transaction on the legacy server and restart it")
	}
}

// ownership checks what ALTER DATABASE, CREATE SCHEMA and DROP TRIGGER ask for. A role that owns nothing is told once.
func (c *checker) ownership(rights rightsRow, relations []relationRights) {
	foreign := map[string][]string{} // owner -> tables
	owned := 0
	for _, r := range relations {
		switch {
		case r.Sequence:
		case r.Owned:
			owned++
		default:
			foreign[r.Owner] = append(foreign[r.Owner], r.String())
		}
	}
	database := postgres.Ident(c.catalog.Server.Database)
	if owned == 0 && len(foreign) > 0 && !rights.Owned {
		owners := slices.Collect(maps.Keys(foreign))
		if !slices.Contains(owners, rights.Owner) {
			owners = append(owners, rights.Owner)
		}
		slices.Sort(owners)
		c.refuse("read-only-source", c.role(),
			fmt.Sprintf("may read at most: it owns neither the database nor any of its %s, and the client's writes can't be stopped without", count(total(foreign), "table")),
			"GRANT "+strings.Join(idents(owners), ", ")+" TO "+c.user())
		return
	}
	if !rights.Owned {
		c.refuse("ownership", c.database(), "belongs to role "+quote(rights.Owner)+"; making it read only takes its owner",
			"GRANT "+postgres.Ident(rights.Owner)+" TO "+c.user())
	}
	if !rights.CreateSchema {
		c.refuse("privilege", c.database(), c.role()+" may not create a schema in it, which the fence is kept in", "GRANT CREATE ON DATABASE "+database+" TO "+c.user())
	}
	for owner, tables := range foreign {
		c.refuse("ownership", "role "+quote(owner), fmt.Sprintf("owns %s whose writes only their owner can stop: %s", count(len(tables), "table"), list(tables)),
			"GRANT "+postgres.Ident(owner)+" TO "+c.user())
	}
}

func total(groups map[string][]string) int {
	n := 0
	for _, group := range groups {
		n += len(group)
	}
	return n
}

func idents(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, postgres.Ident(name))
	}
	return all
}

func quoted(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, quote(name))
	}
	return all
}

// reading checks that every row and every sequence can be read.
func (c *checker) reading(rights rightsRow, relations []relationRights) {
	for _, schema := range rights.ClosedSchemas {
		if slices.Contains(c.catalog.Schemas, schema) {
			c.refuse("privilege", "schema "+quote(schema), "is closed to "+c.role(), "GRANT USAGE ON SCHEMA "+postgres.Ident(schema)+" TO "+c.user())
		}
	}
	tables, sequences := map[string][]string{}, map[string][]string{}
	for _, r := range relations {
		switch {
		case r.Readable:
		case r.Sequence:
			sequences[r.Schema] = append(sequences[r.Schema], r.String())
		case c.opts.Lift || c.opts.Tools.Major > 0 || c.moved(r.Schema, r.Name): // a dump locks every table, which takes SELECT
			tables[r.Schema] = append(tables[r.Schema], r.String())
		}
	}
	for schema, names := range tables {
		c.refuse("privilege", "schema "+quote(schema), fmt.Sprintf("has %s that %s may not read: %s", count(len(names), "table"), c.role(), list(names)),
			"GRANT SELECT ON ALL TABLES IN SCHEMA "+postgres.Ident(schema)+" TO "+c.user())
	}
	for schema, names := range sequences {
		c.refuse("privilege", "schema "+quote(schema), fmt.Sprintf("has %s that %s may not read: %s", count(len(names), "sequence"), c.role(), list(names)),
			"GRANT SELECT ON ALL SEQUENCES IN SCHEMA "+postgres.Ident(schema)+" TO "+c.user())
	}
}

// rowSecurity refuses a copy that would miss rows, and says which policies the tenant's role will be subject to: it owns
// nothing, where the legacy application often owned its tables and saw every row.
func (c *checker) rowSecurity(r relationRights) {
	table := "table " + r.String()
	if r.Filtered && c.moved(r.Schema, r.Name) {
		c.refuse("row-security", table, "hides rows from "+c.role()+" by row security, so they can't be copied",
			"move as its owner (without FORCE ROW LEVEL SECURITY), or ALTER ROLE "+c.user()+" BYPASSRLS as a superuser")
	}
	if r.RowSecurity && c.lifted(r.Schema, r.Name) {
		policies := "it has no policy, so that nobody but its owner sees a row"
		if len(r.Policies) > 0 {
			policies = "its policies are " + strings.Join(r.Policies, ", ")
		}
		c.warn("policy", table, "has row security, which the tenant's role is subject to, unlike its owner "+quote(r.Owner)+" so far; "+policies,
			"check which rows the application sees after the move")
	}
}

// policyRoles refuses policies for roles that the target doesn't have: they don't load.
func (c *checker) policyRoles(ctx context.Context, relations []relationRights) error {
	there, err := collect(ctx, c.target, pgx.RowTo[string], `select rolname::text from pg_roles`)
	if err != nil {
		return err
	}
	for _, r := range relations {
		for _, role := range r.PolicyRoles {
			if c.lifted(r.Schema, r.Name) && !slices.Contains(there, role) {
				c.refuse("policy-role", "table "+r.String(), "has a policy for role "+quote(role)+", which the target doesn't have: "+strings.Join(r.Policies, ", "),
					"create that role on the target, or ALTER POLICY ... TO PUBLIC")
			}
		}
	}
	return nil
}

func (c *checker) targetPrivileges(ctx context.Context) error {
	var create bool
	if err := c.target.QueryRow(ctx, `select has_database_privilege(current_database(), 'CREATE')`).Scan(&create); err != nil {
		return err
	}
	if !create {
		c.refuse("target-privilege", "target database "+quote(c.there.Database), "role "+quote(c.there.User)+" may not create the tenant's schema in it",
			"GRANT CREATE ON DATABASE "+postgres.Ident(c.there.Database)+" TO "+postgres.Ident(c.there.User))
	}
	return nil
}
