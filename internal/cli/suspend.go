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

// stateOptions are those of the commands that change what a tenant is.
type stateOptions struct {
	Factory   *Factory
	Selection selection
	Reason    string
	To        tenant.State
}

func newCmdSuspend(f *Factory, runF func(context.Context, *stateOptions) error) *cobra.Command {
	opts := &stateOptions{Factory: f, To: tenant.Suspended}
	return newStateCommand(opts, runF, &cobra.Command{
		Use:   "suspend [NAME...]",
		Short: "Take tenants' service away, their data stay",
		Long: `Take tenants' service away: no service can log in for them any more, PostgreSQL itself refuses. Their data stay as they are.
Resume gives the service back. What is set by hand is kept as an override: apply and the operator leave it alone until resume.`,
		Example: "  tenantctl suspend client-x --reason 'contract ended'",
	})
}

func newCmdResume(f *Factory, runF func(context.Context, *stateOptions) error) *cobra.Command {
	opts := &stateOptions{Factory: f, To: tenant.Active}
	return newStateCommand(opts, runF, &cobra.Command{
		Use:   "resume [NAME...]",
		Short: "Give suspended or archived tenants their service back",
		Long: `Give tenants that were suspended or archived their service back, and lift the override that suspend or archive set. Where
tenants.yaml declares another state than active, an override keeps the tenant active until the file says so, too.`,
		Example: "  tenantctl resume client-x\n  tenantctl resume --selector state=suspended",
	})
}

func newStateCommand(opts *stateOptions, runF func(context.Context, *stateOptions) error, cmd *cobra.Command) *cobra.Command {
	cmd.Args = opts.Selection.some(opts.Factory, true)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if runF != nil {
			return runF(cmd.Context(), opts)
		}
		return runState(cmd.Context(), opts)
	}
	opts.Selection.flags(opts.Factory, cmd)
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for the records")
	return cmd
}

func runState(ctx context.Context, opts *stateOptions) error {
	return opts.Factory.changeStates(ctx, &opts.Selection, string(opts.To), provisionerOptions{}, func(ctx context.Context, w *stateWork) outcome {
		return w.change(ctx, opts.To, opts.Reason)
	})
}

// stateWork is one tenant whose state is being changed, under its lease.
type stateWork struct {
	reconcile.Tenant
	factory *Factory
	records *registry.Registry
	home    *provision.Provisioner
}

// changeStates does something under each tenant's lease and prints what came of it.
func (f *Factory) changeStates(ctx context.Context, s *selection, what string, more provisionerOptions, do func(context.Context, *stateWork) outcome) error {
	fleet, err := f.fleet(ctx, s)
	if err != nil || len(fleet) == 0 {
		return errors.Join(err, f.noTenants(fleet))
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	homes, err := f.homes(ctx, records, fleet, more)
	if err != nil {
		return err
	}
	settings, err := f.Settings()
	if err != nil {
		return err
	}
	show := progress.NewFleet(f.Streams, settings.Progress, what, len(fleet))
	outcomes := eachTenant(ctx, fleet, defaultParallel, f.signals.draining(), func(ctx context.Context, t reconcile.Tenant) outcome {
		w := &stateWork{Tenant: t, factory: f, records: records, home: homes[t.Spec.Instance]}
		made := outcome{Tenant: t.Name}
		err := withLease(ctx, records, t.Name, func(ctx context.Context) error {
			made = do(ctx, w)
			return made.err
		})
		if err != nil {
			return failedOutcome(t.Name, err)
		}
		return made
	}, func(o outcome) { show.Ended(o.Tenant, o.err) })
	show.Close()
	return printOutcomes(f.Printer(), outcomes)
}

// homes opens the instances that tenants live on.
func (f *Factory) homes(ctx context.Context, records *registry.Registry, fleet []reconcile.Tenant, more provisionerOptions) (map[string]*provision.Provisioner, error) {
	homes := map[string]*provision.Provisioner{}
	for _, t := range fleet {
		if homes[t.Spec.Instance] != nil {
			continue
		}
		p, err := f.Provisioner(ctx, t.Spec.Instance, records, more)
		if err != nil {
			return nil, err
		}
		homes[t.Spec.Instance] = p
	}
	return homes, nil
}

// change suspends or resumes, and keeps the state as an override where it isn't what is declared.
func (w *stateWork) change(ctx context.Context, to tenant.State, reason string) outcome {
	if w.Status == nil {
		return failedOutcome(w.Name, tenant.WithHint(fmt.Errorf("tenant %s isn't there yet: %w", w.Name, tenant.ErrNotFound),
			fmt.Sprintf("`tenantctl provision %s` makes it", w.Name)))
	}
	before := w.Status.State
	var made provision.Outcome
	var err error
	if to == tenant.Active {
		made, err = w.home.Resume(ctx, w.Spec, reason)
	} else {
		made, err = w.home.Suspend(ctx, w.Spec, reason)
	}
	if err == nil {
		err = w.override(ctx, to, reason)
	}
	if err != nil {
		return failedOutcome(w.Name, fmt.Errorf("%s: %w", w.Name, err))
	}
	o := outcomeOf(made)
	o.Detail = fmt.Sprintf("was %s, is %s", before, to)
	if before != to {
		o.Result = resultDone
	} else if o.Result == resultUnchanged {
		o.Detail = "is " + string(to) + " already"
	}
	return o
}

// override records a state that was set by hand. One that the declaration asks for anyway needs none.
func (w *stateWork) override(ctx context.Context, to tenant.State, reason string) error {
	if w.Declared && w.Spec.State == to {
		err := w.records.ClearOverride(ctx, w.Name, reconcile.OverrideState, w.factory.actor())
		if errors.Is(err, tenant.ErrNotFound) {
			return nil
		}
		return err
	}
	if w.Status.Overridden(reconcile.OverrideState) == string(to) && reason == "" {
		return nil
	}
	return w.records.SetOverride(ctx, registry.Override{
		Tenant: w.Name, Kind: reconcile.OverrideState, Value: string(to), Actor: w.factory.actor(), Reason: reason,
	})
}
