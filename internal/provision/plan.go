package provision

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Step is a piece of a Plan, for people: what it does and the SQL that does it.
type Step struct {
	Name     string   `json:"name"`
	Describe string   `json:"describe"`
	SQL      []string `json:"sql,omitempty"`
}

// Access tells that a step is about who may do what, and makes no objects.
func (s Step) Access() bool { return s.Name != stepObjects && s.Name != stepReplay }

// Plan is what has to be done for a tenant to be as declared. It is data: it can be shown, kept and compared.
type Plan struct {
	Tenant   tenant.Name `json:"tenant"`
	Instance string      `json:"instance"`
	Schema   string      `json:"schema"`
	Cell     string      `json:"cell,omitempty"`
	Steps    []Step      `json:"steps,omitempty"`
	// Foreign lists what is in the tenant's schema and isn't tenantctl's. It is never touched.
	Foreign []string `json:"foreign,omitempty"`

	fresh     bool     // the schema isn't there yet
	templated []string // services whose objects are made at once
	replay    []string // services whose files are applied one by one, because the schema has something already
}

// Empty tells that nothing has to be done.
func (p Plan) Empty() bool { return len(p.Steps) == 0 }

// script is the plan as one message: one transaction on the instance, in which what was done is recorded.
func (p Plan) script(hold, path, record []string) string {
	quoted := make([]string, len(path))
	for i, schema := range path {
		quoted[i] = postgres.Ident(schema)
	}
	statements := append([]string{"begin"}, hold...)
	statements = append(statements, "set local search_path = "+strings.Join(quoted, ", "))
	for _, step := range p.Steps {
		if step.Name != stepReplay {
			statements = append(statements, step.SQL...)
		}
	}
	if len(record) > 0 {
		statements = append(append(statements, "reset role"), record...)
	}
	return strings.Join(append(statements, "commit"), ";\n")
}

// The names of steps.
const (
	stepRoles   = "roles"
	stepSchema  = "schema"
	stepObjects = "objects"
	stepReplay  = "replay"
	stepGrants  = "grants"
	stepMembers = "members"
)

// planner compares one tenant with what was seen of it. It asks no server.
type planner struct {
	names
	tenancy
	seen    *seen
	beside  []string // schemas that a lift wants beside the tenant's own
	cell    string   // "" while the tenant has none
	objects func(services []string) (string, error)
	streams map[string]*stream.Stream
	version func(*stream.Stream) uint64
	plan    Plan
}

func (pl *planner) run() (Plan, error) {
	_, there := pl.seen.schemas[pl.spec.Schema]
	pl.plan = Plan{Tenant: pl.spec.Name, Instance: pl.spec.Instance, Schema: pl.spec.Schema, Cell: pl.cell, fresh: !there}
	if err := pl.refuse(); err != nil {
		return Plan{}, err
	}
	pl.planRoles()
	pl.planSchemas()
	if err := pl.planObjects(); err != nil {
		return Plan{}, err
	}
	pl.planGrants()
	pl.planMembers()
	return pl.plan, nil
}

// step adds SQL that is run as a role.
func (pl *planner) step(name, describe, role string, sql []string) {
	if len(sql) > 0 {
		pl.plan.Steps = append(pl.plan.Steps, Step{Name: name, Describe: describe, SQL: append([]string{setRole(role)}, sql...)})
	}
}

func setRole(role string) string { return "set local role " + postgres.Ident(role) }

// refuse stops at what isn't ours.
func (pl *planner) refuse() error {
	if pl.spec.State == tenant.Deleted {
		return tenant.WithHint(fmt.Errorf("tenant %q is declared deleted: %w", pl.spec.Name, tenant.ErrRefused),
			fmt.Sprintf("`tenantctl delete %s` removes it, after an archive", pl.spec.Name))
	}
	for _, name := range append([]string{pl.spec.Schema}, pl.beside...) {
		schema, ok := pl.seen.schemas[name]
		if !ok || schema.Mark == pl.mark {
			continue
		}
		return tenant.WithHint(fmt.Errorf("schema %q is there and %s: %w", schema.Name, whose(schema.Mark), tenant.ErrConflict),
			fmt.Sprintf("rename that schema, or give the tenant another: `schema:` under tenants.%s", pl.spec.Name))
	}
	for _, name := range pl.roleNames() {
		if role, ok := pl.seen.roles[name]; ok && role.Mark != pl.mark {
			return tenant.WithHint(fmt.Errorf("role %q is there and %s: %w", name, whose(role.Mark), tenant.ErrConflict),
				fmt.Sprintf("rename that role, or set `rolePrefix:` under instances.%s", pl.spec.Instance))
		}
	}
	return nil
}

func whose(mark string) string {
	if strings.HasPrefix(mark, "tenantctl:") {
		return "bears another's mark, " + mark
	}
	return "wasn't made by tenantctl"
}

// planRoles makes the tenant's roles what they should be: no power of their own, members of the group of all tenants only.
func (pl *planner) planRoles() {
	var sql []string
	for _, service := range pl.services {
		sql = append(sql, pl.role(pl.roles[service])...)
	}
	if slices.Contains(pl.services, lifted) {
		owner := postgres.Ident(pl.liftedBy)
		role, there := pl.seen.roles[pl.liftedBy]
		sql = append(sql, pl.role(pl.liftedBy)...)
		if !there || !slices.Contains(role.Members, pl.admin()) {
			sql = append(sql, "grant "+owner+" to "+postgres.Ident(pl.admin()))
		}
		if !role.PrivateFunctions {
			sql = append(sql, "alter default privileges for role "+owner+" revoke execute on functions from public")
		}
	}
	pl.step(stepRoles, "make the tenant's roles as declared", pl.admin(), sql)
}

func (pl *planner) role(name string) []string {
	role, there := pl.seen.roles[name]
	quoted, everyone := postgres.Ident(name), postgres.Ident(pl.everyone())
	if !there {
		return []string{
			"create role " + quoted + " nologin in role " + everyone,
			"comment on role " + quoted + " is " + postgres.Literal(pl.mark),
		}
	}
	var sql []string
	if role.OrdinaryPower {
		sql = append(sql, "alter role "+quoted+" nologin nocreaterole nocreatedb")
	}
	if role.HighPower {
		sql = append(sql, "alter role "+quoted+" nosuperuser noreplication nobypassrls")
	}
	if !slices.Contains(role.MemberOf, pl.everyone()) {
		sql = append(sql, "grant "+everyone+" to "+quoted)
	}
	for _, other := range role.MemberOf {
		if other != pl.everyone() {
			sql = append(sql, "revoke "+postgres.Ident(other)+" from "+quoted)
		}
	}
	return sql
}

// planSchemas makes the tenant's schema, and looks after those beside it that a lift made.
func (pl *planner) planSchemas() {
	schemas := slices.Sorted(maps.Keys(pl.seen.schemas))
	for _, name := range append([]string{pl.spec.Schema}, pl.beside...) {
		if !slices.Contains(schemas, name) {
			schemas = append(schemas, name)
		}
	}
	for _, name := range schemas {
		pl.step(stepSchema, "make schema "+name+" as declared", pl.admin(), pl.schema(name))
	}
}

func (pl *planner) schema(name string) []string {
	schema, there := pl.seen.schemas[name]
	quoted := postgres.Ident(name)
	var sql []string
	switch {
	case !there:
		sql = append(sql, "create schema "+quoted, "comment on schema "+quoted+" is "+postgres.Literal(pl.mark))
	case schema.Owner != pl.admin():
		// The administrator itself may be allowed what the role that it acts as isn't.
		sql = append(sql, "reset role", "alter schema "+quoted+" owner to "+postgres.Ident(pl.admin()), setRole(pl.admin()))
	}
	wanted := privileges{}
	for _, service := range pl.services {
		switch {
		case service == lifted:
			wanted.add(pl.liftedBy, "USAGE", "CREATE")
		case name == pl.spec.Schema:
			wanted.add(pl.owner(service), "USAGE", "CREATE")
		default:
			continue // a schema beside the tenant's own holds what was lifted, nothing of the services'
		}
		wanted.add(pl.roles[service], "USAGE")
	}
	// An owner whose service the tenant no longer has still owns its tables; foreign keys are checked in its name.
	for service := range pl.streams {
		if owner := pl.owner(service); pl.owns(owner, name) {
			wanted.add(owner, "USAGE", "CREATE")
		}
	}
	have := privilegesOf(schema.Grants, pl.admin(), schema.Owner)
	revoke, give := have.minus(wanted), wanted.minus(have)
	maps.DeleteFunc(revoke, func(role string, _ map[string]bool) bool { return pl.hasForeign(role, name) })
	return append(append(sql, revoke.statements("revoke", "schema", quoted)...), give.statements("grant", "schema", quoted)...)
}

// hasForeign tells whether a role has something in a schema that isn't ours, or may use it: its way there is never touched
// either.
func (pl *planner) hasForeign(role, schema string) bool {
	return role != "" && slices.ContainsFunc(pl.seen.objects, func(o objectSeen) bool {
		if _, ours := pl.serviceOf(o); ours || o.Schema != schema {
			return false
		}
		return o.Owner == role || slices.ContainsFunc(o.Grants, func(g grant) bool { return g.To == role })
	})
}

func (pl *planner) owns(owner, schema string) bool {
	return slices.ContainsFunc(pl.seen.objects, func(o objectSeen) bool { return o.Owner == owner && o.Schema == schema })
}

// planObjects makes what the services' streams make: all at once from a template where the schema is empty, else file by file.
func (pl *planner) planObjects() error {
	var missing []string
	for _, service := range pl.spec.Services {
		if _, there := pl.seen.versions[pl.spec.Schema][service]; !there {
			missing = append(missing, service)
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case len(missing) == len(pl.spec.Services) && len(pl.seen.objects) == 0:
		script, err := pl.objects(missing)
		if err != nil {
			return err
		}
		pl.plan.templated = missing
		pl.plan.Steps = append(pl.plan.Steps, Step{Name: stepObjects, Describe: "make the objects of " + strings.Join(missing, ", "), SQL: []string{script}})
		return nil
	}
	pl.plan.replay = missing
	for _, service := range missing {
		s, ok := pl.streams[service]
		if !ok {
			return fmt.Errorf("tenant %q wants service %q, of which there are no migrations: %w", pl.spec.Name, service, tenant.ErrInvalid)
		}
		var sql []string
		for _, file := range s.Files() {
			if file.Version <= pl.version(s) {
				sql = append(sql, file.Up.SQL)
			}
		}
		pl.plan.Steps = append(pl.plan.Steps, Step{Name: stepReplay, Describe: fmt.Sprintf("apply the %d files of %s", len(sql), service), SQL: sql})
	}
	return nil
}

// planMembers lets the cell's logins, and nobody else, become the tenant's roles; nobody at all while it is suspended.
func (pl *planner) planMembers() {
	var sql []string
	for _, name := range slices.Sorted(maps.Keys(pl.allRoles())) {
		role := pl.seen.roles[name]
		login := pl.allRoles()[name]
		for _, member := range role.Members {
			if member != login && member != pl.admin() {
				sql = append(sql, "revoke "+postgres.Ident(name)+" from "+postgres.Ident(member))
			}
		}
		if login != "" && !slices.Contains(role.Members, login) {
			sql = append(sql, "grant "+postgres.Ident(name)+" to "+postgres.Ident(login))
		}
	}
	pl.step(stepMembers, "let the logins of the tenant's cell in, and nobody else", pl.admin(), sql)
}

// allRoles gives for each of the tenant's roles the login that may become it, "" if none.
func (pl *planner) allRoles() map[string]string {
	all := map[string]string{}
	for name, role := range pl.seen.roles {
		if role.Mark == pl.mark {
			all[name] = "" // of a service that the tenant no longer has, or the owner of what was lifted
		}
	}
	for service, name := range pl.roles {
		all[name] = ""
		if pl.spec.State == tenant.Active || pl.spec.State == "" {
			all[name] = pl.login(pl.cellName(), service)
		}
	}
	return all
}

// cellName stands for the cell in a plan that is made before the tenant has one.
func (pl *planner) cellName() string {
	if pl.cell == "" {
		return "CELL"
	}
	return pl.cell
}
