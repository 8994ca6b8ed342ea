package provision

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/outsiders.sql
	outsidersSQL string
	//go:embed sql/owned_outside.sql
	ownedOutsideSQL string
	//go:embed sql/tables.sql
	tablesSQL string
)

// Keep says what becomes of a tenant's data when it is deleted.
type Keep string

// What may become of the data.
const (
	KeepArchive Keep = "archive" // dumped first
	KeepNothing Keep = "nothing"
)

// Deletion is what Delete did.
type Deletion struct {
	Archive *Manifest // nil with KeepNothing, or where there was nothing to keep
	Schemas []string
	Roles   []string
}

// Delete removes a tenant from its instance: schemas, roles and records. Whoever calls it has had that confirmed. It touches
// nothing without our mark, and refuses, by name, while something of others lies in the schemas or depends on them. Stopped
// halfway it goes on when called again.
func (p *Provisioner) Delete(ctx context.Context, spec tenant.Spec, keep Keep, reason string) (Deletion, error) {
	d, err := p.deleteInstance(ctx, spec, keep)
	if err != nil {
		return d, fmt.Errorf("delete %s: %w", spec.Name, err)
	}
	if p.Records == nil {
		return d, nil
	}
	return d, p.Records.DeleteTenant(ctx, spec.Name, p.Actor, reason)
}

func (p *Provisioner) deleteInstance(ctx context.Context, spec tenant.Spec, keep Keep) (d Deletion, err error) {
	t, err := p.names.tenancy(spec, true)
	if err != nil {
		return d, err
	}
	observed, err := p.observe(ctx, []tenant.Spec{spec})
	if err != nil {
		return d, err
	}
	if err := p.refuseForeignSchema(observed, t); err != nil {
		return d, err
	}
	observed = observed.of(t, nil)
	d.Schemas = slices.Sorted(maps.Keys(observed.schemas))
	for name, role := range observed.roles {
		if role.Mark == t.mark {
			d.Roles = append(d.Roles, name)
		}
	}
	slices.Sort(d.Roles)
	if err := p.refuseForeign(ctx, t, observed, d); err != nil {
		return d, err
	}
	if err := p.shutOut(ctx, observed, d.Roles); err != nil {
		return d, err
	}
	if keep == KeepArchive && len(d.Schemas) > 0 {
		manifest, err := p.archive(ctx, spec, d.Schemas)
		if err != nil {
			return d, err
		}
		d.Archive = &manifest
	}
	return d, p.drop(ctx, d)
}

// refuseForeignSchema stops at a schema of the tenant's name that isn't ours.
func (p *Provisioner) refuseForeignSchema(observed *seen, t tenancy) error {
	if schema, there := observed.schemas[t.spec.Schema]; there && schema.Mark != t.mark {
		return tenant.WithHint(fmt.Errorf("schema %q %s: %w", schema.Name, whose(schema.Mark), tenant.ErrConflict),
			"tenantctl touches only what it made")
	}
	return nil
}

// refuseForeign stops at what others have in the schemas, or made of what is in them, and at what the tenant's roles own
// elsewhere.
func (p *Provisioner) refuseForeign(ctx context.Context, t tenancy, observed *seen, d Deletion) error {
	pl := planner{names: p.names, streams: p.streams, tenancy: t}
	var foreign []string
	for _, object := range observed.objects {
		if _, ours := pl.serviceOf(object); !ours {
			foreign = append(foreign, object.Word+" "+object.Identity+" of "+object.Owner)
		}
	}
	if len(foreign) > 0 {
		return tenant.WithHint(fmt.Errorf("not tenantctl's: %s: %w", listing(foreign), tenant.ErrConflict), "move these out of the tenant's schema first")
	}
	if err := p.refuseOutsiders(ctx, d.Schemas, "drop", t.spec.Name); err != nil {
		return err
	}
	outside, err := p.listNames(ctx, ownedOutsideSQL, d.Roles, d.Schemas)
	if err != nil {
		return err
	}
	if len(outside) > 0 {
		return tenant.WithHint(fmt.Errorf("the tenant's roles own %s: %w", listing(outside), tenant.ErrConflict), "give these to another role first")
	}
	return nil
}

// refuseOutsiders stops where dropping what is in the schemas would drop something elsewhere.
func (p *Provisioner) refuseOutsiders(ctx context.Context, schemas []string, what string, name tenant.Name) error {
	outsiders, err := p.listNames(ctx, outsidersSQL, schemas)
	if err != nil {
		return err
	}
	if len(outsiders) > 0 {
		return tenant.WithHint(fmt.Errorf("%s outside the tenant's schemas would go too: %w", listing(outsiders), tenant.ErrConflict),
			fmt.Sprintf("drop these first, then %s %s again", what, name))
	}
	return nil
}

func (p *Provisioner) listNames(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := p.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	return names, nil
}

// shutOut keeps services from writing what the archive would miss.
func (p *Provisioner) shutOut(ctx context.Context, observed *seen, roles []string) error {
	var sql []string
	for _, name := range roles {
		for _, member := range observed.roles[name].Members {
			if member != p.names.admin() {
				sql = append(sql, "revoke "+postgres.Ident(name)+" from "+postgres.Ident(member))
			}
		}
	}
	if len(sql) == 0 {
		return nil
	}
	return p.retry(ctx, func() error { return p.transaction(ctx, append([]string{setRole(p.names.admin())}, sql...)) })
}

// drop drops schemas and roles. DROP OWNED takes the privileges that others gave the roles; it needs membership in them.
func (p *Provisioner) drop(ctx context.Context, d Deletion) error {
	if err := p.Prepare(ctx); err != nil { // an older release left no records to forget
		return err
	}
	if err := p.dropTables(ctx, d.Schemas, ""); err != nil {
		return err
	}
	sql := []string{setRole(p.names.admin())}
	for _, name := range d.Schemas {
		sql = append(sql, "drop schema if exists "+postgres.Ident(name)+" cascade")
	}
	for _, name := range d.Roles {
		quoted := postgres.Ident(name)
		sql = append(sql, "grant "+quoted+" to "+postgres.Ident(p.names.admin()), "drop owned by "+quoted+" cascade", "drop role "+quoted)
	}
	sql = append(sql, "reset role")
	for _, s := range p.Streams {
		for _, name := range d.Schemas {
			sql = append(sql, s.RecordSQL(name, -1, ""))
		}
	}
	return p.retry(ctx, func() error { return p.transaction(ctx, sql) })
}

// dropTables drops tables, a batch a transaction, where dropping all at once would take more locks than the server has room
// for. What is left is dropped with the schema. Few tables: it does nothing.
func (p *Provisioner) dropTables(ctx context.Context, schemas []string, owner string) error {
	var room int64
	err := p.pool.QueryRow(ctx, `select current_setting('max_locks_per_transaction')::bigint *
		(current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)`).Scan(&room)
	if err != nil {
		return fmt.Errorf("ask for the room for locks: %w", err)
	}
	room /= 4 // others lock too
	rows, err := p.pool.Query(ctx, tablesSQL, schemas, owner)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByName[tableSize])
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	var total int64
	for _, table := range tables {
		total += table.Locks
	}
	if total <= room {
		return nil
	}
	for len(tables) > 0 {
		n, locks := 0, int64(0)
		for n < len(tables) && (n == 0 || locks+tables[n].Locks <= room/2) {
			locks += tables[n].Locks
			n++
		}
		if err := p.dropBatch(ctx, tables[:n]); err != nil {
			return err
		}
		tables = tables[n:]
	}
	return nil
}

type tableSize struct {
	Identity string
	Locks    int64
}

func (p *Provisioner) dropBatch(ctx context.Context, tables []tableSize) error {
	identities := make([]string, len(tables))
	for i, table := range tables {
		identities[i] = table.Identity
	}
	sql := []string{setRole(p.names.admin()), "drop table if exists " + strings.Join(identities, ", ") + " cascade"}
	if err := p.retry(ctx, func() error { return p.transaction(ctx, sql) }); err != nil {
		return fmt.Errorf("drop tables: %w", err)
	}
	return nil
}
