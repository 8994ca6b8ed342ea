package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/progress"
	"tenantctl/internal/drift"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type driftOptions struct {
	Factory   *Factory
	Selection selection
	Fix       bool
	Detailed  bool
}

func newCmdDrift(f *Factory, runF func(context.Context, *driftOptions) error) *cobra.Command {
	opts := &driftOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "drift [NAME...]",
		Short: "Compare tenants' schemas with what their versions should be",
		Long: `Compare what is in the tenants' schemas with what the streams' files make at the versions where each tenant stands, and their roles
and privileges with what is declared. Tenants that share a difference are told together. What to compare with is made once for
each combination of versions, in a schema that is dropped again.

What the services' streams make is compared, nothing else: a client's own or lifted tables are no drift, other objects in a
tenant's schema are listed. Tenants in the middle of a move are left out. The order of columns doesn't count.

--fix puts back what is certain: owners, privileges and memberships, invalid indexes, and indexes, constraints, views, routines
and triggers that are missing. It drops nothing and changes no definition, and says what it leaves and why.

Drift ends with 1, as failing checks do; with --detailed-exitcode it ends with 2, so that CI can tell it from a failure.`,
		Example: `  tenantctl drift
  tenantctl drift client-x -o json
  tenantctl drift --all --detailed-exitcode
  tenantctl drift --selector ring=canary --fix`,
		Args: opts.Selection.some(f, false),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDrift(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	cmd.Flags().BoolVar(&opts.Fix, "fix", false, "put back what is certain, and say what is left")
	cmd.Flags().BoolVar(&opts.Detailed, "detailed-exitcode", false, "end with 2 where there is drift, not with 1")
	return cmd
}

func runDrift(ctx context.Context, opts *driftOptions) error {
	f := opts.Factory
	fleet, err := f.fleet(ctx, &opts.Selection)
	if err != nil {
		return err
	}
	records, err := f.existing(ctx)
	if err != nil {
		return err
	}
	report := &driftReport{}
	compared := report.comparable(fleet)
	var specs []tenant.Spec
	for _, t := range compared {
		specs = append(specs, t.Spec)
	}
	instances, grouped := reconcile.ByInstance(specs)
	for _, instance := range instances {
		err := f.checkInstance(ctx, records, instance, grouped[instance], compared, opts, report)
		if err != nil && (len(instances) == 1 || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			report.failAll(grouped[instance], err)
		}
	}
	report.finish()
	return errors.Join(f.printDrift(report), report.err(opts))
}

// comparable are the tenants that can be compared; why the others can't is noted.
func (r *driftReport) comparable(fleet []reconcile.Tenant) []reconcile.Tenant {
	var compared []reconcile.Tenant
	for _, t := range fleet {
		t.Spec.State = t.Desired()
		switch op := t.Operation(); {
		case t.Status == nil:
			r.skip(t.Name, fmt.Sprintf("isn't there yet: `tenantctl provision %s` makes it", t.Name))
		case op != nil && op.Kind == migrate.Kind:
			r.skip(t.Name, fmt.Sprintf("its move stands at `%s`: tables have their indexes and constraints when it is over", op.Phase))
		case t.Busy() != nil:
			r.skip(t.Name, t.Busy().Error())
		case t.Spec.State == tenant.Deleted:
			r.skip(t.Name, "is declared deleted")
		default:
			compared = append(compared, t)
		}
	}
	return compared
}

// checkInstance compares the tenants of one instance, and puts right what it may.
func (f *Factory) checkInstance(ctx context.Context, records *registry.Registry, instance string, specs []tenant.Spec, fleet []reconcile.Tenant, opts *driftOptions, report *driftReport) error {
	checker, err := f.checker(ctx, records, instance)
	if err != nil {
		return err
	}
	findings, err := checker.Check(ctx, specs)
	if err != nil {
		return err
	}
	report.findings = append(report.findings, findings...)
	if !opts.Fix {
		return nil
	}
	found := map[tenant.Name]drift.Finding{}
	var differing []reconcile.Tenant
	for _, finding := range findings {
		if finding.Err == nil && len(finding.Differences) > 0 {
			found[finding.Tenant] = finding
		}
	}
	for _, t := range fleet {
		if _, ok := found[t.Name]; ok {
			differing = append(differing, t)
		}
	}
	return f.fixAll(ctx, records, checker, differing, found, report)
}

// fixAll works under each tenant's lease. A tenant that can't be fixed doesn't keep the others from it.
func (f *Factory) fixAll(ctx context.Context, records *registry.Registry, checker *drift.Checker, fleet []reconcile.Tenant, found map[tenant.Name]drift.Finding, report *driftReport) error {
	s, err := f.Settings()
	if err != nil {
		return err
	}
	show := progress.NewFleet(f.Streams, s.Progress, "fix", len(fleet))
	defer show.Close()
	var mutex sync.Mutex
	outcomes := eachTenant(ctx, fleet, defaultParallel, f.signals.draining(), func(ctx context.Context, t reconcile.Tenant) outcome {
		var repair drift.Repair
		err := declaredOnly([]reconcile.Tenant{t})
		if err == nil {
			err = withLease(ctx, records, t.Name, func(ctx context.Context) error {
				repair = checker.Fix(ctx, found[t.Name])
				return repair.Err
			})
		}
		mutex.Lock()
		defer mutex.Unlock()
		if err == nil {
			report.repairs = append(report.repairs, repair)
		}
		return outcome{Tenant: t.Name, err: err}
	}, func(o outcome) { show.Ended(o.Tenant, o.err) })
	for _, o := range outcomes {
		if o.err != nil {
			report.fail(o.Tenant, o.err)
		}
	}
	return nil
}

// checker opens an instance for comparing.
func (f *Factory) checker(ctx context.Context, records *registry.Registry, instance string) (*drift.Checker, error) {
	p, err := f.Provisioner(ctx, instance, records, provisionerOptions{})
	if err != nil {
		return nil, err
	}
	checker, err := drift.Open(ctx, drift.Options{DSN: p.DSN, Streams: p.Streams, Home: driftHome{p}, Parallel: defaultParallel})
	if err != nil {
		return nil, err
	}
	f.onClose(func(context.Context) { checker.Close() })
	return checker, nil
}

// driftHome is what drift has to know of provisioning.
type driftHome struct{ *provision.Provisioner }

var _ drift.Home = driftHome{}

// Access implements drift.Home. What stands in one tenant's way doesn't keep the others from being looked at.
func (h driftHome) Access(ctx context.Context, specs []tenant.Spec) (map[tenant.Name]drift.AccessSeen, error) {
	seen := make(map[tenant.Name]drift.AccessSeen, len(specs))
	plans, err := h.Plan(ctx, specs...)
	if err != nil {
		plans = nil
		for _, spec := range specs {
			one, err := h.Plan(ctx, spec)
			if err != nil && !errors.Is(err, tenant.ErrConflict) && !errors.Is(err, tenant.ErrRefused) {
				return nil, err
			}
			seen[spec.Name] = drift.AccessSeen{Err: err}
			plans = append(plans, one...)
		}
	}
	for _, plan := range plans {
		one := seen[plan.Tenant]
		for _, step := range plan.Steps {
			if step.Access() {
				one.Steps = append(one.Steps, drift.AccessStep{Describe: step.Describe, SQL: strings.Join(step.SQL, ";\n")})
			}
		}
		seen[plan.Tenant] = one
	}
	return seen, nil
}

// Restore implements drift.Home.
func (h driftHome) Restore(ctx context.Context, spec tenant.Spec) error {
	_, err := h.Provision(ctx, spec)
	return err
}
