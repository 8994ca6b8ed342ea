package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Tenancy is what a move needs done on the instance for its tenant. What is lifted belongs to a role of the tenant's own:
// functions that run with their owner's rights must not run with an administrator's, or with those of all tenants.
type Tenancy struct {
	p    *Provisioner
	spec tenant.Spec
}

// Tenancy looks after one tenant.
func (p *Provisioner) Tenancy(spec tenant.Spec) *Tenancy {
	return &Tenancy{p: p, spec: spec}
}

// Provision makes the tenant's schemas, the first being its own, its roles and its services' tables. owner is the role that is
// to own what is lifted.
func (t *Tenancy) Provision(ctx context.Context, schemas []string) (owner string, err error) {
	if len(schemas) == 0 || schemas[0] != t.spec.Schema {
		return "", fmt.Errorf("provision %s: schemas %q don't begin with %q: %w", t.spec.Name, schemas, t.spec.Schema, tenant.ErrInvalid)
	}
	for _, schema := range schemas {
		if err := tenant.CheckIdentifier(schema); err != nil {
			return "", fmt.Errorf("provision %s: %w", t.spec.Name, err)
		}
	}
	if err := t.p.Prepare(ctx); err != nil {
		return "", err
	}
	if err := t.bring(ctx, schemas); err != nil {
		return "", err
	}
	return t.owner()
}

func (t *Tenancy) bring(ctx context.Context, schemas []string) error {
	want := request{spec: t.spec, lift: true, beside: schemas[1:]}
	if err := t.p.bring(ctx, want, nil, &Outcome{Tenant: t.spec.Name}); err != nil {
		return fmt.Errorf("provision %s: %w", t.spec.Name, err)
	}
	return nil
}

func (t *Tenancy) owner() (string, error) { return t.spec.Name.RoleFor(t.p.RolePrefix, liftedRole) }

// ownersPerTransaction bounds the locks that a change of owners takes.
const ownersPerTransaction = 200

// Grant gives what was loaded into the schemas to the tenant's owner role, as far as an administrator still owns it, and the
// tenant's roles their privileges on it. What belongs to anybody else is refused by name.
func (t *Tenancy) Grant(ctx context.Context, schemas []string) error {
	owner, err := t.owner()
	if err != nil {
		return err
	}
	objects, err := collect[objectSeen](ctx, t.p.pool, "objects", objectsSQL, schemas)
	if err != nil {
		return fmt.Errorf("grant to %s: %w", t.spec.Name, err)
	}
	var me string
	if err := t.p.pool.QueryRow(ctx, `select current_user::text`).Scan(&me); err != nil {
		return fmt.Errorf("ask who we are: %w", err)
	}
	var sql, foreign []string
	pl := planner{names: t.p.names, streams: t.p.streams, tenancy: tenancy{liftedBy: owner}}
	for _, object := range objects {
		_, ours := pl.serviceOf(object)
		switch {
		case ours || object.Follows:
		case object.Owner == me || object.Owner == t.p.names.admin():
			sql = append(sql, "alter "+object.Word+" "+object.Identity+" owner to "+postgres.Ident(owner))
		default:
			foreign = append(foreign, object.Word+" "+object.Identity+" of "+object.Owner)
		}
	}
	if len(foreign) > 0 {
		return tenant.WithHint(fmt.Errorf("grant to %s: not tenantctl's to give: %s: %w", t.spec.Name, listing(foreign), tenant.ErrConflict),
			"move these out of the tenant's schema, or give them to "+owner)
	}
	for batch := range slices.Chunk(sql, ownersPerTransaction) {
		if err := t.p.transaction(ctx, batch); err != nil {
			return fmt.Errorf("give what was lifted to %q: %w", owner, err)
		}
	}
	return t.bring(ctx, schemas)
}

const listed = 10

// listing names some and counts the rest.
func listing(names []string) string {
	if len(names) <= listed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], ", "), len(names)-listed)
}

// Streams builds the tables of the tenant's services in a schema of any database, without roles.
func (t *Tenancy) Streams(ctx context.Context, conn *pgx.Conn, schema string) error {
	if err := postgres.Script(ctx, conn, "create schema if not exists "+postgres.Ident(schema)); err != nil {
		return fmt.Errorf("make schema %q: %w", schema, err)
	}
	for _, service := range t.p.inOrder(t.spec.Services) {
		s, err := t.p.stream(service)
		if err != nil {
			return err
		}
		if _, err := stream.Apply(ctx, conn, stream.Target{Schema: schema}, s, t.p.version(s)); err != nil {
			return err
		}
	}
	return nil
}

// Clear empties the tenant's schemas of everything that a lift put there, and drops those beside its own. The tenant's roles
// and its services' tables stay.
func (t *Tenancy) Clear(ctx context.Context, schemas []string) error {
	owner, err := t.owner()
	if err != nil {
		return err
	}
	inside := tenancy{spec: t.spec, mark: t.p.names.markOf(string(t.spec.Name)), liftedBy: owner}
	observed, err := t.p.observe(ctx, []tenant.Spec{t.spec})
	if err != nil {
		return err
	}
	observed = observed.of(inside, nil)
	if observed.roles[owner].Mark != inside.mark {
		return nil // nothing was lifted
	}
	var beside []string
	for _, name := range schemas[1:] {
		if observed.schemas[name].Mark == inside.mark {
			beside = append(beside, name)
		}
	}
	if err := t.p.refuseOutsiders(ctx, append([]string{t.spec.Schema}, beside...), "empty", t.spec.Name); err != nil {
		return err
	}
	if err := t.p.dropTables(ctx, append([]string{t.spec.Schema}, beside...), owner); err != nil {
		return err
	}
	sql := []string{setRole(t.p.names.admin())}
	for _, name := range beside {
		sql = append(sql, "drop schema "+postgres.Ident(name)+" cascade")
	}
	if err := t.p.transaction(ctx, append(sql, "drop owned by "+postgres.Ident(owner)+" cascade")); err != nil {
		return fmt.Errorf("empty %s: %w", t.spec.Name, err)
	}
	return t.bring(ctx, schemas[:1]) // DROP OWNED took the role's privileges on the schema too
}

// Archive keeps the tenant's data as it is now in a file, and says where.
func (t *Tenancy) Archive(ctx context.Context, schemas []string) (path string, err error) {
	manifest, err := t.p.archive(ctx, t.spec, schemas)
	return manifest.File, err
}
