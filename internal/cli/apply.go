package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type applyOptions struct {
	Factory   *Factory
	Selection selection
	File      string // a plan that was kept; "": plan now
	Parallel  int
}

func newCmdApply(f *Factory, runF func(context.Context, *applyOptions) error) *cobra.Command {
	opts := &applyOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "apply [PLAN-FILE]",
		Short: "Make the tenants as tenants.yaml declares them",
		Long: `Make the tenants as tenants.yaml declares them. The plan is shown first and confirmed, on a terminal by a question, elsewhere by
--yes. With the file of an earlier plan --out nothing is asked: exactly that is done, or nothing where the fleet has changed
since (exit code 6). Nothing is ever deleted: that takes ` + "`tenantctl delete`" + `.`,
		Example: `  tenantctl apply
  tenantctl apply --yes --selector ring=canary
  tenantctl apply plan.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usageError(cmd, "select tenants with --selector", "%s takes one plan file", cmd.CommandPath())
			case len(args) == 1 && (opts.Selection.All || opts.Selection.Selector != ""):
				return usageError(cmd, "", "a plan file says which tenants: leave --all and --selector out")
			case len(args) == 1:
				opts.File = args[0]
			}
			return opts.Selection.some(f, false)(cmd, nil)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runApply(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	cmd.ValidArgsFunction = nil // a file
	cmd.Flags().IntVar(&opts.Parallel, "parallel", defaultParallel, "tenants at once on each instance")
	return cmd
}

func runApply(ctx context.Context, opts *applyOptions) error {
	f := opts.Factory
	var kept fleetPlan
	s := opts.Selection
	if opts.File != "" {
		var err error
		if kept, err = readPlan(opts.File); err != nil {
			return err
		}
		s = kept.Selection
	}
	plan, err := f.plan(ctx, s)
	if err != nil {
		return err
	}
	if opts.File != "" {
		if err := plan.same(kept, opts.File); err != nil {
			return err
		}
	} else if err := f.confirmPlan(ctx, plan); err != nil {
		return err
	}
	if plan.pending()+len(plan.Shared) == 0 {
		f.Tell("%s", plan.summary())
		return printOutcomes(f.Printer(), plan.untouched())
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	if err := f.bringShared(ctx, records, plan.Shared); err != nil {
		return err
	}
	outcomes, err := f.carryOut(ctx, records, plan, opts.Parallel)
	if err != nil {
		return err
	}
	return printOutcomes(f.Printer(), sorted(append(outcomes, plan.untouched()...)))
}

func readPlan(file string) (fleetPlan, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return fleetPlan{}, tenant.WithHint(fmt.Errorf("read the plan: %w", err), "`tenantctl plan --out "+file+"` writes one")
	}
	var plan fleetPlan
	if err := json.Unmarshal(body, &plan); err != nil || plan.Hash == "" {
		return fleetPlan{}, tenant.WithHint(fmt.Errorf("%s is no plan: %w", file, tenant.ErrInvalid), "`tenantctl plan --out "+file+"` writes one")
	}
	return plan, nil
}

// same refuses a kept plan that isn't what has to be done any more.
func (p fleetPlan) same(kept fleetPlan, file string) error {
	if p.Hash == kept.Hash {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("the fleet or tenants.yaml has changed since the plan of %s was made, nothing was done: %w",
		kept.Created.Local().Format("2006-01-02 15:04"), tenant.ErrConflict), "plan again: `tenantctl plan --out "+file+"`")
}

// confirmPlan shows what will be done and asks.
func (f *Factory) confirmPlan(ctx context.Context, plan fleetPlan) error {
	if plan.pending()+len(plan.Shared) == 0 {
		return nil
	}
	if err := plan.write(f.Streams.Err, output.Printer{Color: f.Streams.ErrTerminal && f.Streams.Color}, false); err != nil {
		return err
	}
	return f.confirm(ctx, "Apply this?", "apply")
}

// confirm asks a question that --yes answers. With nobody to ask it is an error that says so.
func (f *Factory) confirm(ctx context.Context, question, command string) error {
	s, err := f.Settings()
	if err != nil || s.Yes {
		return err
	}
	if s.NoInput || !f.Streams.CanAsk() {
		return tenant.WithHint(&invalidUsage{fmt.Sprintf("%s needs a confirmation, and there is nobody to ask", command)}, fmt.Sprintf("`tenantctl %s --yes` goes ahead", command))
	}
	yes, err := f.Streams.Confirm(ctx, question)
	if err != nil {
		return err
	}
	if !yes {
		return &invalidUsage{"not confirmed, nothing was done"}
	}
	return nil
}

// untouched are the outcomes of tenants that apply leaves to a person.
func (p fleetPlan) untouched() []outcome {
	var outcomes []outcome
	for _, t := range p.Tenants {
		if t.Pending() {
			continue
		}
		o := outcome{Tenant: t.Tenant, Result: resultSkipped, Detail: t.Note}
		if t.Actions[0] == reconcile.ActionBlocked {
			o = failedOutcome(t.Tenant, t.Blocked)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// carryOut provisions what has steps, and then records states. A tenant that is archived gets its dump in between.
func (f *Factory) carryOut(ctx context.Context, records *registry.Registry, plan fleetPlan, parallel int) ([]outcome, error) {
	var specs []tenant.Spec
	planned := map[tenant.Name]reconcile.Plan{}
	for _, t := range plan.Tenants {
		if t.Pending() {
			specs = append(specs, t.Spec)
			planned[t.Tenant] = t
		}
	}
	outcomes, err := f.provisionAll(ctx, records, specs, parallel)
	if err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		t := planned[o.Tenant]
		if o.err != nil || !t.Moves() {
			continue
		}
		p, err := f.Provisioner(ctx, t.Instance, records, provisionerOptions{})
		var settled reconcile.Settled
		if err == nil {
			settled, err = reconcile.Settle(ctx, p, records, t, f.actor())
		}
		if err != nil {
			outcomes[i] = failedOutcome(o.Tenant, err)
		} else if settled.Changed {
			outcomes[i].Result, outcomes[i].Detail, outcomes[i].Archive = resultDone, settled.Detail, settled.Archive
		}
	}
	return outcomes, nil
}
