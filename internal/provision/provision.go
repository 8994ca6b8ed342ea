package provision

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Outcome is what came of one tenant.
type Outcome struct {
	Tenant  tenant.Name   `json:"tenant"`
	Cell    string        `json:"cell,omitempty"`
	Steps   []Step        `json:"steps,omitempty"` // that were taken, without their SQL; none: it was as declared
	Foreign []string      `json:"foreign,omitempty"`
	Elapsed time.Duration `json:"elapsed"`
	Err     error         `json:"-"`
}

// Plan compares tenants with what is declared and changes nothing. A tenant that hasn't got a cell yet is shown with CELL in
// its place.
func (p *Provisioner) Plan(ctx context.Context, specs ...tenant.Spec) ([]Plan, error) {
	cells, err := p.cellsOf(ctx, specs)
	if err != nil {
		return nil, err
	}
	plans := make([]Plan, 0, len(specs))
	for batch := range batches(specs) {
		observed, err := p.observe(ctx, batch)
		if err != nil {
			return nil, err
		}
		for _, spec := range batch {
			plan, err := p.compare(request{spec: spec}, observed, cells[spec.Name], p.sketch)
			if err != nil {
				return nil, err
			}
			plans = append(plans, plan)
		}
	}
	return plans, nil
}

// Apply carries out a plan that was shown before, if it is still what has to be done; tenant.ErrConflict if not.
func (p *Provisioner) Apply(ctx context.Context, spec tenant.Spec, shown Plan) (Outcome, error) {
	now, err := p.Plan(ctx, spec)
	if err != nil {
		return Outcome{}, err
	}
	if !reflect.DeepEqual(now[0].Steps, shown.Steps) {
		return Outcome{}, tenant.WithHint(fmt.Errorf("tenant %q changed since it was planned: %w", spec.Name, tenant.ErrConflict), "plan again: `tenantctl plan`")
	}
	return p.Provision(ctx, spec)
}

// Provision makes a tenant as declared, whatever there is of it. Called again it finds nothing to do.
func (p *Provisioner) Provision(ctx context.Context, spec tenant.Spec) (Outcome, error) {
	outcomes, err := p.ProvisionAll(ctx, []tenant.Spec{spec}, nil)
	if len(outcomes) == 0 {
		return Outcome{Tenant: spec.Name}, err
	}
	return outcomes[0], outcomes[0].Err
}

// ProvisionAll provisions many tenants at once. each, unless nil, is told of every outcome, by one goroutine at a time. The
// error joins those of the outcomes under tenant.ErrPartial.
func (p *Provisioner) ProvisionAll(ctx context.Context, specs []tenant.Spec, each func(Outcome)) ([]Outcome, error) {
	if err := p.Prepare(ctx); err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, 0, len(specs))
	results := make(chan Outcome)
	var group errgroup.Group
	group.SetLimit(p.Parallel)
	go func() {
		defer close(results)
		for batch := range batches(specs) {
			observed, err := p.observe(ctx, batch)
			for _, spec := range batch {
				group.Go(func() error {
					results <- p.one(ctx, spec, observed, err)
					return nil
				})
			}
		}
		_ = group.Wait() // errors are in the outcomes
	}()
	var errs []error
	for outcome := range results {
		outcomes = append(outcomes, outcome)
		if outcome.Err != nil {
			errs = append(errs, outcome.Err)
		}
		if each != nil {
			each(outcome)
		}
	}
	if len(errs) > 0 {
		return outcomes, fmt.Errorf("%d of %d tenants: %w: %w", len(errs), len(specs), tenant.ErrPartial, errors.Join(errs...))
	}
	return outcomes, nil
}

// one brings one tenant about and says what came of it.
func (p *Provisioner) one(ctx context.Context, spec tenant.Spec, observed *seen, observeErr error) Outcome {
	began := time.Now()
	outcome := Outcome{Tenant: spec.Name}
	err := observeErr
	if err == nil {
		err = p.bring(ctx, request{spec: spec}, observed, &outcome)
	}
	if err != nil {
		outcome.Err = fmt.Errorf("provision %s: %w", spec.Name, err)
	}
	outcome.Elapsed = time.Since(began)
	return outcome
}

// rounds bounds how often a tenant is looked at again: the objects of a replayed file need grants, which are planned after it.
const rounds = 4

// request is a tenant as it is wanted, and what a lift wants besides.
type request struct {
	spec   tenant.Spec
	lift   bool     // the roles of a lift, whatever the spec says
	beside []string // schemas beside the tenant's own
	fence  *Fence   // the lease that the caller has; nil: none
	cell   string   // of a tenant that is recorded already; empty: it is to be recorded
}

func (p *Provisioner) bring(ctx context.Context, want request, observed *seen, outcome *Outcome) error {
	if err := p.record(ctx, want, outcome); err != nil {
		return err
	}
	fresh := false
	for range rounds {
		var plan Plan
		err := p.retry(ctx, func() (err error) {
			if observed == nil {
				if observed, err = p.observe(ctx, []tenant.Spec{want.spec}, want.beside...); err != nil {
					return err
				}
			}
			plan, err = p.compare(want, observed, outcome.Cell, p.instantiate(ctx))
			observed = nil // it has been acted upon
			if err != nil || plan.Empty() {
				return err
			}
			return p.execute(ctx, want, plan)
		})
		if err != nil {
			return err
		}
		for _, step := range plan.Steps {
			outcome.Steps = append(outcome.Steps, Step{Name: step.Name, Describe: step.Describe})
		}
		outcome.Foreign = plan.Foreign
		fresh = fresh || plan.fresh
		// A fresh tenant made from a template has its grants with it; anything else is looked at once more.
		if plan.Empty() || plan.fresh && len(plan.replay) == 0 {
			return p.recordDone(ctx, want.spec, fresh, *outcome)
		}
	}
	return fmt.Errorf("somebody changes it back: %d rounds and still not as declared: %w", rounds, tenant.ErrConflict)
}

// execute sends the plan's message, and applies files where they come one by one.
func (p *Provisioner) execute(ctx context.Context, want request, plan Plan) error {
	spec := want.spec
	script := plan.script(want.fence.hold(), []string{spec.Schema, Ext}, p.recordSQL(spec.Schema, plan.templated))
	if err := postgres.Script(ctx, p.pool, script); err != nil {
		return want.fence.explain(err)
	}
	for _, service := range plan.replay {
		conn, err := p.pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		err = p.replay(ctx, conn.Conn(), spec.Schema, service, p.versionsOf(plan.replay)[service], recorded)
		conn.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// recordSQL records what a schema's objects were made from, where a template made them.
func (p *Provisioner) recordSQL(schema string, services []string) []string {
	var sql []string
	for _, service := range services {
		s := p.streams[service]
		sql = append(sql, s.RecordSQL(schema, int(p.version(s)), "")) //nolint:gosec // a version of the stream
	}
	return sql
}

// transaction runs statements as one message.
func (p *Provisioner) transaction(ctx context.Context, statements []string) error {
	return postgres.Script(ctx, p.pool, "begin;\n"+strings.Join(statements, ";\n")+";\ncommit")
}

const perLook = 100

func batches(specs []tenant.Spec) func(func([]tenant.Spec) bool) {
	return func(yield func([]tenant.Spec) bool) {
		for len(specs) > 0 {
			n := min(len(specs), perLook)
			if !yield(specs[:n]) {
				return
			}
			specs = specs[n:]
		}
	}
}

// observe sees what there is of several tenants, and of further schemas.
func (p *Provisioner) observe(ctx context.Context, specs []tenant.Spec, beside ...string) (*seen, error) {
	var roles, marks []string
	schemas := beside
	for _, spec := range specs {
		t, err := p.names.tenancy(spec, true)
		if err != nil {
			return nil, err
		}
		roles, schemas, marks = append(roles, t.roleNames()...), append(schemas, spec.Schema), append(marks, t.mark)
	}
	return look(ctx, p.pool, roles, schemas, marks, p.Streams)
}

// compare plans one tenant from what was seen.
func (p *Provisioner) compare(want request, observed *seen, cell string, objects func(tenancy, []string) (string, error)) (Plan, error) {
	want.spec.Services = p.inOrder(want.spec.Services)
	t, err := p.names.tenancy(want.spec, false)
	if err != nil {
		return Plan{}, err
	}
	if want.lift || isLift(want.spec) || observed.hasLift(t) {
		if t, err = p.names.tenancy(want.spec, true); err != nil {
			return Plan{}, err
		}
	}
	pl := planner{
		names: p.names, tenancy: t, seen: observed.of(t, want.beside), beside: want.beside, cell: cell, streams: p.streams, version: p.version,
		objects: func(services []string) (string, error) { return objects(t, services) },
	}
	return pl.run()
}

// isLift tells whether a tenant's legacy database is to be moved as it is.
func isLift(spec tenant.Spec) bool { return spec.Legacy && spec.Mapping == "" }

// instantiate gives the script of a tenant's objects, making the template if there is none yet.
func (p *Provisioner) instantiate(ctx context.Context) func(tenancy, []string) (string, error) {
	return func(t tenancy, services []string) (string, error) {
		c, err := p.template(ctx, services)
		if err != nil {
			return "", err
		}
		return c.instantiate(t.spec.Schema, t.roles), nil
	}
}

// sketch shows the files where a plan may make no template.
func (p *Provisioner) sketch(_ tenancy, services []string) (string, error) {
	var out strings.Builder
	for _, service := range services {
		s, err := p.stream(service)
		if err != nil {
			return "", err
		}
		for _, file := range s.Files() {
			if file.Version <= p.version(s) {
				fmt.Fprintf(&out, "-- %s %s\n%s\n", service, file.Up.Path, strings.TrimSpace(file.Up.SQL))
			}
		}
	}
	return out.String(), nil
}

func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // spreads out, hides nothing
}
