package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/progress"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type provisionOptions struct {
	Factory   *Factory
	Selection selection
	Parallel  int
}

const defaultParallel = 4

func newCmdProvision(f *Factory, runF func(context.Context, *provisionOptions) error) *cobra.Command {
	opts := &provisionOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "provision [NAME...]",
		Short: "Make tenants as declared: schema, roles, tables, access",
		Long: `Make tenants as tenants.yaml declares them: a schema, a role for each service, the services' tables at the current version, and
access for the services' logins. Run again it finds nothing to do, or puts back what somebody changed. A tenant with a legacy
database gets an empty home; migrate brings its rows.

Several tenants are made at once. When some fail the others are done all the same, and the exit code is 5.`,
		Example: `  tenantctl provision client-z
  tenantctl provision --all --parallel 8
  tenantctl provision --selector ring=canary`,
		Args: opts.Selection.some(f, true),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runProvision(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	cmd.Flags().IntVar(&opts.Parallel, "parallel", defaultParallel, "tenants at once on each instance")
	return cmd
}

func runProvision(ctx context.Context, opts *provisionOptions) error {
	f := opts.Factory
	fleet, err := f.fleet(ctx, &opts.Selection)
	if err != nil {
		return err
	}
	if len(opts.Selection.Names) > 0 {
		err = declaredOnly(fleet)
	}
	if err != nil || len(fleet) == 0 {
		return errors.Join(err, f.noTenants(fleet))
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	specs, outcomes := wanted(fleet)
	made, err := f.provisionAll(ctx, records, specs, opts.Parallel)
	if err != nil {
		return err
	}
	return printOutcomes(f.Printer(), sorted(append(outcomes, made...)))
}

// noTenants says that a selection matched none, which is no error: there is nothing to do.
func (f *Factory) noTenants(fleet []reconcile.Tenant) error {
	if len(fleet) == 0 {
		f.Tell("no tenant matches")
		return printOutcomes(f.Printer(), nil)
	}
	return nil
}

// wanted are the tenants to be provisioned, as overrides want them. Those that can't be have their outcome already.
func wanted(fleet []reconcile.Tenant) (specs []tenant.Spec, outcomes []outcome) {
	for _, t := range fleet {
		spec := t.Spec
		spec.State = t.Desired()
		switch {
		case !t.Declared:
			continue
		case t.Busy() != nil:
			outcomes = append(outcomes, failedOutcome(t.Name, t.Busy()))
		case spec.State == tenant.Deleted:
			outcomes = append(outcomes, outcome{Tenant: t.Name, Result: resultSkipped, Detail: "declared deleted: `tenantctl delete " + string(t.Name) + "` removes it"})
		default:
			specs = append(specs, spec)
		}
	}
	return specs, outcomes
}

// provisionAll brings tenants about, instance by instance, and returns every outcome. The error is one that concerns all.
func (f *Factory) provisionAll(ctx context.Context, records *registry.Registry, specs []tenant.Spec, parallel int) ([]outcome, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	show := progress.NewFleet(f.Streams, s.Progress, "provision", len(specs))
	defer show.Close()
	var outcomes []outcome
	instances, grouped := reconcile.ByInstance(specs)
	for _, instance := range instances {
		p, err := f.Provisioner(ctx, instance, records, provisionerOptions{Parallel: parallel})
		var made []provision.Outcome
		if err == nil {
			made, err = p.ProvisionAll(ctx, grouped[instance], func(o provision.Outcome) { show.Ended(o.Tenant, o.Err) })
		}
		if len(made) == 0 && err != nil { // the instance itself
			if len(instances) == 1 {
				return outcomes, err
			}
			for _, spec := range grouped[instance] {
				outcomes = append(outcomes, failedOutcome(spec.Name, fmt.Errorf("%s: %w", spec.Name, err)))
				show.Ended(spec.Name, err)
			}
			continue
		}
		for _, o := range made {
			outcomes = append(outcomes, outcomeOf(o))
		}
	}
	return outcomes, nil
}
