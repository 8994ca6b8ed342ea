package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Repair is what Fix did for a tenant.
type Repair struct {
	Tenant tenant.Name `json:"tenant"`
	Fixed  []string    `json:"fixed,omitempty"` // differences that are gone
	Left   []Left      `json:"left,omitempty"`
	Err    error       `json:"-"`
}

// Left is a difference that stays, and why.
type Left struct {
	Difference
	Why string `json:"why"`
}

// Fix puts back what is certain: owners, privileges and memberships; invalid indexes; indexes, constraints, views, routines and
// triggers that a stream's file makes and that are missing. It drops nothing and changes no definition. Afterwards it looks
// again: what is still different is in the result with the reason. The caller holds the tenant's lease.
func (c *Checker) Fix(ctx context.Context, found Finding) Repair {
	repair := Repair{Tenant: found.Tenant, Err: found.Err}
	if found.Err != nil || len(found.Differences) == 0 {
		return repair
	}
	why := map[Difference]string{}
	if !found.absent() {
		if err := c.cureAll(ctx, found, why); err != nil {
			repair.Err = fmt.Errorf("fix %s: %w", found.Tenant, err)
			return repair
		}
	}
	now, err := c.Check(ctx, []tenant.Spec{found.spec})
	if err != nil || now[0].Err != nil {
		repair.Err = fmt.Errorf("look at %s again: %w", found.Tenant, errors.Join(err, now[0].Err))
		return repair
	}
	for _, d := range found.Differences {
		if !slices.Contains(now[0].Differences, d) {
			repair.Fixed = append(repair.Fixed, d.String())
		}
	}
	for _, d := range now[0].Differences {
		repair.Left = append(repair.Left, Left{Difference: d, Why: reasonFor(d, why)})
	}
	return repair
}

func reasonFor(d Difference, why map[Difference]string) string {
	switch d.Kind {
	case KindSchema:
		return "`tenantctl apply` makes an empty one; an archive has its rows"
	case KindService:
		return "`tenantctl apply` applies it"
	case KindVersion:
		return leftDirty
	case KindFile:
		return "put the file back as it was applied, or take it as it is: `tenantctl adopt NAME --service " + d.Service + "`"
	case KindAccess:
		return "somebody changes it back"
	}
	if reason, ok := why[d]; ok {
		return reason
	}
	return leftByHand
}

// cureAll works in the order in which one thing needs another: owners, what they may do, objects, what others may do with these.
func (c *Checker) cureAll(ctx context.Context, found Finding, why map[Difference]string) error {
	var ownership, objects []cure
	for _, d := range found.Differences {
		if d.Kind == KindAccess || d.Kind == KindFile || d.Kind == KindService || d.Kind == KindVersion {
			continue
		}
		one, left := found.with.plan(d, found.spec.Schema)
		switch {
		case found.suspect(d.Service):
			why[d] = leftDirty
		case left != "":
			why[d] = left
		case d.Fact == factOwner:
			ownership = append(ownership, one)
		default:
			objects = append(objects, one)
		}
	}
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	c.apply(ctx, conn.Conn(), found.spec, ownership, why)
	if err := c.home.Restore(ctx, found.spec); err != nil {
		return err
	}
	if c.apply(ctx, conn.Conn(), found.spec, objects, why) == 0 {
		return nil
	}
	return c.home.Restore(ctx, found.spec) // privileges on what was made
}

// suspect tells whether a service's own files are in question: then nothing of it is certain.
func (f Finding) suspect(service string) bool {
	return slices.ContainsFunc(f.Differences, func(d Difference) bool {
		return (d.Kind == KindVersion || d.Kind == KindFile) && d.Service == service
	})
}

// apply tries cures until none of those that are left gets any further: a view needs another, a trigger its function.
func (c *Checker) apply(ctx context.Context, conn *pgx.Conn, of tenant.Spec, cures []cure, why map[Difference]string) (done int) {
	for progress := true; progress && len(cures) > 0; {
		progress = false
		var again []cure
		for _, one := range cures {
			err := one.run(ctx, conn, of.Schema)
			if err == nil {
				progress = true
				done++
				continue
			}
			why[one.difference] = err.Error()
			if postgres.Classify(err) == postgres.NotFound {
				again = append(again, one)
			}
		}
		cures = again
	}
	return done
}

const (
	// ddlWait bounds the wait for a lock that writers queue behind, buildWait the wait of an index for transactions that stand open.
	ddlWait      = 5 * time.Second
	buildWait    = 5 * time.Minute
	cleanupAfter = 30 * time.Second
)

// run does one thing as the role that owns it. What it leaves half done it takes away again.
func (c cure) run(ctx context.Context, conn *pgx.Conn, schema string) (err error) {
	wait := ddlWait
	if c.building != "" {
		wait = buildWait
	}
	setup := fmt.Sprintf("set check_function_bodies = off; set lock_timeout = %d", wait.Milliseconds())
	if c.role != "" {
		setup += "; set role " + postgres.Ident(c.role)
	}
	defer func() { err = errors.Join(err, giveSessionBack(ctx, conn)) }()
	if err := postgres.Script(ctx, conn, setup); err != nil {
		return fmt.Errorf("act as %q: %w", c.role, err)
	}
	before, err := c.unfinished(ctx, conn, schema)
	if err != nil {
		return err
	}
	for i, statement := range c.statements {
		if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			if i == 0 {
				return errors.Join(err, c.sweep(ctx, conn, schema, before))
			}
			return errors.Join(err, undo(ctx, conn, c.undo))
		}
	}
	return nil
}

func giveSessionBack(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupAfter)
	defer cancel()
	err := postgres.Script(ctx, conn, "reset role; reset all")
	if err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	return nil
}

func undo(ctx context.Context, conn *pgx.Conn, sql string) error {
	if sql == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupAfter)
	defer cancel()
	if err := postgres.Script(ctx, conn, sql); err != nil {
		return fmt.Errorf("take back what was half done: %w", err)
	}
	return nil
}

// unfinished lists the invalid indexes of the table that one is being built on.
func (c cure) unfinished(ctx context.Context, conn *pgx.Conn, schema string) ([]string, error) {
	if c.building == "" {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid
		where i.indrelid = to_regclass($1) and not i.indisvalid`, postgres.Ident(schema, c.on))
	if err != nil {
		return nil, fmt.Errorf("look at the indexes of %s: %w", c.on, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look at the indexes of %s: %w", c.on, err)
	}
	return names, nil
}

// sweep drops the invalid index that a failed build left, and none that was there before.
func (c cure) sweep(ctx context.Context, conn *pgx.Conn, schema string, before []string) error {
	if c.building == "" || conn.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupAfter)
	defer cancel()
	after, err := c.unfinished(ctx, conn, schema)
	if err != nil {
		return err
	}
	for _, name := range after {
		if slices.Contains(before, name) || !strings.HasPrefix(name, c.building[:min(len(c.building), sharedPrefix)]) {
			continue
		}
		if _, err := conn.Exec(ctx, "drop index concurrently if exists "+postgres.Ident(schema, name), pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("drop unfinished index %q: %w", name, err)
		}
	}
	return nil
}

// sharedPrefix is how much of an index's name REINDEX CONCURRENTLY keeps at least in the name of the one that it builds.
const sharedPrefix = 50
