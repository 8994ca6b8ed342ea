package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Adoption is what has to be done for a schema that others made to become a tenant's. It changes no row and no definition.
type Adoption struct {
	Spec     tenant.Spec
	Found    Unadopted
	Versions map[string]tenant.Version // where it stands in its streams
	// Baseline are services whose version row has to be made, and what it says.
	Baseline map[string]uint64
	// Handed are the streams' objects that get another owner. Exact tells that these are known to be the streams'; on an instance
	// that isn't prepared yet, all objects count.
	Handed int
	Exact  bool
	// Missing are objects that the streams' files make and that aren't there; Foreign stay with those whom they belong to.
	Missing, Foreign []string
	// Losing are roles that could use what is handed over, and can't afterwards.
	Losing []string
	// Look says what a person looks at first, where Refused has to do with it.
	Look    []string
	Refused error

	sql []string
}

// PlanAdoption sees what has to be done. at is a version for the one service of a schema that has no version row; nil: it must
// have one. What stands in the way is in the plan. It makes nothing that stays.
func (p *Provisioner) PlanAdoption(ctx context.Context, spec tenant.Spec, found Unadopted, at *uint64) (Adoption, error) {
	a := Adoption{Spec: spec, Found: found, Versions: map[string]tenant.Version{}, Baseline: map[string]uint64{}}
	a.Spec.Services = p.inOrder(spec.Services)
	if a.Refused = p.claimed(spec, found); a.Refused != nil {
		return a, nil
	}
	var err error
	if a.Refused, err = p.mayGive(ctx, map[string]string{found.Owner: "schema " + found.Quoted}); err != nil || a.Refused != nil {
		return a, err
	}
	if err := p.standing(ctx, &a, at); err != nil || a.Refused != nil {
		return a, err
	}
	if a.Exact, err = p.isPrepared(ctx); err != nil {
		return a, err
	}
	return a, p.handOver(ctx, &a)
}

// claimed refuses schemas that bear a mark, unless it is this tenant's.
func (p *Provisioner) claimed(spec tenant.Spec, found Unadopted) error {
	switch name, ours, claimed := p.Whose(found); {
	case ours && name == spec.Name, !claimed:
		return nil
	case ours:
		return fmt.Errorf("schema %q is %q's, by its mark: %w", found.Name, name, tenant.ErrConflict)
	case strings.HasPrefix(found.Mark, "tenantctl:"):
		return tenant.WithHint(fmt.Errorf("schema %q %s: %w", found.Name, whose(found.Mark), tenant.ErrConflict),
			"it belongs to the fleet of another control database: look for the tenants.yaml that declares it")
	}
	return tenant.WithHint(fmt.Errorf("schema %q has a comment, %q, where tenantctl keeps its mark: %w", found.Name, found.Mark, tenant.ErrConflict),
		"keep that text somewhere else, then: comment on schema "+found.Quoted+" is null")
}

const (
	railsTable   = "schema_migrations"
	notPermitted = "42501"
)

// standing reads where the schema stands in its streams.
func (p *Provisioner) standing(ctx context.Context, a *Adoption, at *uint64) error {
	for _, service := range a.Spec.Services {
		s, err := p.stream(service)
		if err != nil {
			return err
		}
		if a.Found.Rails && s.Table() == railsTable {
			a.Refused = tenant.WithHint(fmt.Errorf("schema %q: %s there is Rails', not golang-migrate's: %w", a.Found.Name, railsTable, tenant.ErrConflict),
				fmt.Sprintf("give the stream another: `services.%s.table` in tenants.yaml", service))
			return nil
		}
		var version *tenant.Version
		if slices.Contains(a.Found.VersionTables, s.Table()) {
			stands, err := stream.Stands(ctx, p.pool, s, []string{a.Found.Name})
			if postgres.Code(err) == notPermitted {
				a.Refused = tenant.WithHint(fmt.Errorf("schema %q: %w: %w", a.Found.Name, err, tenant.ErrRefused), "become a member of the role that owns its tables")
				return nil
			}
			if err != nil {
				return err
			}
			version = stands[a.Found.Name].Version
		}
		if version == nil && at != nil {
			version, a.Baseline[service] = &tenant.Version{Number: *at}, *at
		}
		if err := p.standingIn(ctx, a, s, version); err != nil || a.Refused != nil {
			return err
		}
	}
	return nil
}

func (p *Provisioner) standingIn(ctx context.Context, a *Adoption, s *stream.Stream, version *tenant.Version) error {
	if version == nil {
		a.Refused = tenant.WithHint(fmt.Errorf("schema %q has no version of %s in %s: %w", a.Found.Name, s.Service, s.Table(), tenant.ErrRefused),
			fmt.Sprintf("say where it stands: --at VERSION --service %s; or, where the version is in another table, name that: `services.%s.table` in tenants.yaml", s.Service, s.Service))
		return nil
	}
	a.Versions[s.Service] = *version
	if _, err := s.File(version.Number); err != nil {
		a.Refused = tenant.WithHint(fmt.Errorf("schema %q: %w", a.Found.Name, err), "take the files that this schema was made from, all of them")
		return nil
	}
	if !version.Dirty {
		return nil
	}
	a.Refused = tenant.WithHint(fmt.Errorf("schema %q is dirty at version %d of %s: a file didn't end: %w", a.Found.Name, version.Number, s.Service, tenant.ErrConflict),
		fmt.Sprintf("make it whole or undo it by hand, then set version and dirty = false in %s", postgres.Ident(a.Found.Name, s.Table())))
	traces, err := s.Traces(ctx, p.pool, a.Found.Name, version.Number)
	if err != nil {
		return err
	}
	for _, trace := range traces {
		a.Look = append(a.Look, trace.String())
	}
	return nil
}

func (p *Provisioner) isPrepared(ctx context.Context) (bool, error) {
	found, err := collect[roleSeen](ctx, p.pool, "roles", rolesSQL, []string{p.names.admin()}, []string{})
	return err == nil && len(found) > 0 && found[0].Mark == p.names.markOf(shared), err
}

// handOver decides which objects become the streams' owners', and whether they can be given.
func (p *Provisioner) handOver(ctx context.Context, a *Adoption) error {
	objects, err := collect[objectSeen](ctx, p.pool, "objects", objectsSQL, []string{a.Found.Name})
	if err != nil {
		return err
	}
	owners, err := p.madeBy(ctx, a)
	if err != nil {
		return err
	}
	givers, seen := map[string]string{}, map[string]bool{}
	losing, keeping := map[string]bool{}, map[string]bool{}
	for _, object := range objects {
		key := objectKey(object, a.Found.Quoted)
		seen[key] = true
		owner, ours := owners[key]
		switch {
		case !a.Exact && len(a.Spec.Services) > 0:
			owner = ""
		case !ours:
			a.Foreign = append(a.Foreign, object.Word+" "+object.Identity+" of "+object.Owner)
			keeping[object.Owner] = true
			for _, g := range object.Grants {
				keeping[g.To] = true
			}
			continue
		}
		for _, g := range object.Grants {
			losing[g.To] = true
		}
		losing[object.Owner] = true
		if object.Owner == owner || object.Follows {
			continue
		}
		a.Handed++
		givers[object.Owner] = first(givers[object.Owner], object.Word+" "+object.Identity)
		a.sql = append(a.sql, "alter "+object.Word+" "+object.Identity+" owner to "+postgres.Ident(owner))
	}
	for key := range owners {
		if !seen[key] {
			a.Missing = append(a.Missing, strings.ReplaceAll(key, ownSchema, ""))
		}
	}
	slices.Sort(a.Missing)
	maps.DeleteFunc(losing, func(role string, _ bool) bool { return role == "" || keeping[role] || p.ownRole(role) })
	if a.Losing, err = p.ordinary(ctx, slices.Sorted(maps.Keys(losing))); err != nil {
		return err
	}
	a.Refused, err = p.mayGive(ctx, givers)
	a.sql = append(p.claim(a, keeping), append(a.sql, p.baselines(a)...)...)
	return err
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// ordinary leaves out administrators: whatever is granted, they get in.
func (p *Provisioner) ordinary(ctx context.Context, roles []string) ([]string, error) {
	rows, err := p.pool.Query(ctx, `select rolname::text from pg_roles where rolname = any($1) and not rolsuper and rolname <> current_user order by 1`, roles)
	if err != nil {
		return nil, fmt.Errorf("look at roles: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look at roles: %w", err)
	}
	return found, nil
}

// ownRole tells whether a role is of those that this program makes.
func (p *Provisioner) ownRole(role string) bool {
	return strings.HasPrefix(role, p.RolePrefix+"tenantctl_") || strings.HasPrefix(role, p.RolePrefix+"t_") && strings.Contains(role, "__")
}

const ownSchema = "{schema}."

// objectKey names an object whatever its schema is called.
func objectKey(object objectSeen, quoted string) string {
	return object.Word + " " + strings.ReplaceAll(object.Identity, quoted+".", ownSchema)
}

// madeBy tells which objects streams' files make, and the role that is to own each: what is in a throw-away schema that they made.
func (p *Provisioner) madeBy(ctx context.Context, a *Adoption) (map[string]string, error) {
	if len(a.Versions) == 0 || !a.Exact {
		return nil, nil
	}
	versions := make(map[string]uint64, len(a.Versions))
	for service, version := range a.Versions {
		versions[service] = version.Number
	}
	key := fmt.Sprint(versions) // maps print in order
	p.mu.Lock()
	known := p.made[key]
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	owners := map[string]string{}
	err := p.Throwaway(ctx, versions, func(ctx context.Context, conn *pgx.Conn, schema string) error {
		objects, err := collect[objectSeen](ctx, conn, "objects", objectsSQL, []string{schema})
		for _, object := range objects {
			owners[objectKey(object, schema)] = object.Owner
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find out what the files make: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil {
		p.made = map[string]map[string]string{}
	}
	p.made[key] = owners
	return owners, nil
}

// mayGive refuses by name what can't be handed over: only who is a member of its owner may give a thing away.
func (p *Provisioner) mayGive(ctx context.Context, givers map[string]string) (refused, err error) {
	var me string
	if err := p.pool.QueryRow(ctx, `select current_user::text`).Scan(&me); err != nil {
		return nil, fmt.Errorf("ask who we are: %w", err)
	}
	var refusals []error
	for _, owner := range slices.Sorted(maps.Keys(givers)) {
		var may bool
		if err := p.pool.QueryRow(ctx, `select pg_has_role($1, 'MEMBER')`, owner).Scan(&may); err != nil {
			return nil, fmt.Errorf("ask whether %q may act as %q: %w", me, owner, err)
		}
		if !may {
			refusals = append(refusals, tenant.WithHint(fmt.Errorf("%s belongs to %q, and %q isn't a member of that role: %w", givers[owner], owner, me, tenant.ErrRefused),
				fmt.Sprintf("have somebody who may: grant %s to %s", postgres.Ident(owner), postgres.Ident(me))))
		}
	}
	return errors.Join(refusals...), nil
}

// claim makes the schema ours. Who owns things in it that stay his keeps his way to them.
func (p *Provisioner) claim(a *Adoption, keeping map[string]bool) []string {
	admin, schema := postgres.Ident(p.names.admin()), postgres.Ident(a.Found.Name)
	var sql []string
	if a.Found.Owner != p.names.admin() {
		sql = append(sql, "alter schema "+schema+" owner to "+admin)
	}
	sql = append(sql, setRole(p.names.admin()), "comment on schema "+schema+" is "+postgres.Literal(p.names.markOf(string(a.Spec.Name))))
	if keeping[a.Found.Owner] && a.Found.Owner != p.names.admin() {
		sql = append(sql, "grant usage, create on schema "+schema+" to "+postgres.Ident(a.Found.Owner))
	}
	for _, service := range a.Spec.Services {
		sql = append(sql, "grant usage, create on schema "+schema+" to "+postgres.Ident(p.names.owner(service)))
	}
	return append(sql, "reset role")
}

// baselines write down where the schema stands, and what it counts as made from.
func (p *Provisioner) baselines(a *Adoption) []string {
	var sql []string
	for _, service := range a.Spec.Services {
		s := p.streams[service]
		if version, ok := a.Baseline[service]; ok {
			sql = append(sql, setRole(p.names.owner(service)))
			sql = append(append(sql, s.BaselineSQL(a.Found.Name, version)...), "reset role")
		}
		sql = append(sql, s.RecordSQL(a.Found.Name, int(a.Versions[service].Number), "")) //nolint:gosec // a version of the stream
	}
	return sql
}

// adoptWait bounds the wait for the schema's users: a change of owner locks each table for a moment.
const adoptWait = 5 * time.Second

// Adopt makes a schema a tenant's, in one transaction, and then provisions it: roles, privileges, memberships, records. It plans
// anew, and refuses what the plan refuses. Called again it goes on where it was.
func (p *Provisioner) Adopt(ctx context.Context, spec tenant.Spec, at *uint64) (Outcome, error) {
	outcome := Outcome{Tenant: spec.Name}
	if err := p.Prepare(ctx); err != nil {
		return outcome, err
	}
	err := p.retry(ctx, func() error {
		found, err := p.Unadopted(ctx, []string{spec.Schema})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("schema %q: %w", spec.Schema, tenant.ErrNotFound)
		}
		a, err := p.PlanAdoption(ctx, spec, found[0], at)
		if err != nil || a.Refused != nil {
			return errors.Join(err, a.Refused)
		}
		return p.transaction(ctx, append([]string{fmt.Sprintf("set local lock_timeout = %d", adoptWait.Milliseconds())}, a.sql...))
	})
	if err != nil {
		return outcome, fmt.Errorf("adopt %s: %w", spec.Name, err)
	}
	outcome, err = p.Provision(ctx, spec)
	if err != nil {
		return outcome, err
	}
	return outcome, p.note(ctx, tenant.Event{Type: "tenant.adopted", Tenant: spec.Name, Message: "adopted schema " + spec.Schema})
}

// Edited is what a tenant's schema was made from and isn't there as it was.
type Edited struct {
	// Differences are the files that differ, by service. A service without any is one of which nothing was recorded.
	Differences map[string][]stream.Difference

	sql []string
}

// Edited looks for files of services that aren't those that a tenant's schema counts as made from.
func (p *Provisioner) Edited(ctx context.Context, spec tenant.Spec, services []string) (Edited, error) {
	e := Edited{Differences: map[string][]stream.Difference{}}
	for _, service := range services {
		s, err := p.stream(service)
		if err != nil {
			return e, err
		}
		stands, err := stream.Stands(ctx, p.pool, s, []string{spec.Schema})
		if err != nil {
			return e, err
		}
		if err := p.edited(ctx, &e, spec, s, stands[spec.Schema]); err != nil {
			return e, err
		}
	}
	return e, nil
}

func (p *Provisioner) edited(ctx context.Context, e *Edited, spec tenant.Spec, s *stream.Stream, stand stream.Stand) error {
	switch {
	case stand.Version == nil:
		return nil
	case stand.Version.Dirty:
		return fmt.Errorf("%s: schema %q is dirty at version %d of %s: %w", spec.Name, spec.Schema, stand.Version.Number, s.Service, tenant.ErrConflict)
	case stand.Recorded != nil && stand.Recorded.Version == stand.Version.Number && s.Same(stand):
		return nil
	}
	if _, err := s.File(stand.Version.Number); err != nil {
		return fmt.Errorf("%s: %w", spec.Name, err)
	}
	e.Differences[s.Service] = nil
	if stand.Recorded != nil {
		differences, err := s.Differences(ctx, p.pool, *stand.Recorded)
		if err != nil && !errors.Is(err, tenant.ErrNotFound) {
			return err
		}
		e.Differences[s.Service] = differences
	}
	e.sql = append(e.sql, s.RecordSQL(spec.Schema, int(stand.Version.Number), "")) //nolint:gosec // a version of the stream
	return nil
}

// Rebaseline takes the files as they are for those that the tenant's schema was made from, so that what was edited on purpose
// isn't found any more.
func (p *Provisioner) Rebaseline(ctx context.Context, spec tenant.Spec, services []string) (Edited, error) {
	if err := p.Prepare(ctx); err != nil { // notes the files
		return Edited{}, err
	}
	e, err := p.Edited(ctx, spec, services)
	if err != nil || len(e.sql) == 0 {
		return e, err
	}
	if err := p.transaction(ctx, e.sql); err != nil {
		return e, fmt.Errorf("record what %s counts as made from: %w", spec.Name, err)
	}
	message := "takes the files of " + strings.Join(slices.Sorted(maps.Keys(e.Differences)), ", ") + " as they are"
	return e, p.note(ctx, tenant.Event{Type: "tenant.adopted", Tenant: spec.Name, Message: message})
}
