package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

type planOptions struct {
	Factory   *Factory
	Selection selection
	Out       string
	Detailed  bool
	ShowSQL   bool
}

func newCmdPlan(f *Factory, runF func(context.Context, *planOptions) error) *cobra.Command {
	opts := &planOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "plan [NAME...]",
		Short: "Show what apply would do",
		Long: `Show what has to be done for the tenants to be as tenants.yaml declares them: made, changed, put back, suspended, archived. Nothing
is changed. A plan that is kept with --out can be applied later: apply refuses it when the fleet has changed since.

Legacy databases are not moved by apply: that is migrate's.`,
		Example: `  tenantctl plan
  tenantctl plan --sql client-x
  tenantctl plan --out plan.json && tenantctl apply plan.json
  tenantctl plan --detailed-exitcode`,
		Args: opts.Selection.some(f, false),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runPlan(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	flags := cmd.Flags()
	flags.StringVar(&opts.Out, "out", "", "keep the plan in this file, for apply")
	flags.BoolVar(&opts.Detailed, "detailed-exitcode", false, "end with 2 when there is something to do")
	flags.BoolVar(&opts.ShowSQL, "sql", false, "show the SQL of each step")
	return cmd
}

// fleetPlan is what has to be done. It is kept as JSON.
type fleetPlan struct {
	File      string           `json:"file"`
	Created   time.Time        `json:"created"`
	Selection selection        `json:"selection"`
	Hash      string           `json:"hash"` // of the tenants' changes: what was seen and what was declared
	Tenants   []reconcile.Plan `json:"tenants"`
	// Shared are streams of scope instance that have to be made or brought forward.
	Shared    []provision.Shared `json:"shared,omitempty"`
	Unchanged int                `json:"unchanged"`
	// Undeclared are tenants that are there and no longer in tenants.yaml: they are left alone.
	Undeclared []tenant.Name `json:"undeclared,omitempty"`
}

func (p fleetPlan) pending() int {
	n := 0
	for _, t := range p.Tenants {
		if t.Pending() {
			n++
		}
	}
	return n
}

func runPlan(ctx context.Context, opts *planOptions) error {
	f := opts.Factory
	plan, err := f.plan(ctx, opts.Selection)
	if err != nil {
		return err
	}
	if opts.Out != "" {
		body, err := json.MarshalIndent(plan, "", "  ")
		if err != nil {
			return fmt.Errorf("keep the plan: %w", err)
		}
		if err := writeFile(opts.Out, append(body, '\n')); err != nil {
			return err
		}
	}
	if err := f.printPlan(plan, opts.ShowSQL); err != nil {
		return err
	}
	if opts.Out != "" {
		f.Tell("kept in %s; `tenantctl apply %s` carries it out", opts.Out, opts.Out)
	}
	if opts.Detailed && plan.pending()+len(plan.Shared) > 0 {
		return silent(tenant.ErrChanges)
	}
	return nil
}

func (f *Factory) printPlan(plan fleetPlan, showSQL bool) error {
	p := f.Printer()
	names := []string{}
	for _, t := range plan.Tenants {
		names = append(names, "tenant/"+string(t.Tenant))
	}
	return p.One("Plan", plan, output.View{Names: names, Table: func(w io.Writer) error { return plan.write(w, p, showSQL) }})
}

// plan compares the tenants that are meant with what is declared.
func (f *Factory) plan(ctx context.Context, s selection) (fleetPlan, error) {
	settings, err := f.Settings()
	if err != nil {
		return fleetPlan{}, err
	}
	fleet, err := f.fleet(ctx, &s)
	if err != nil {
		return fleetPlan{}, err
	}
	records, err := f.existing(ctx)
	if err != nil {
		return fleetPlan{}, err
	}
	plan := fleetPlan{File: settings.File, Created: f.now().UTC(), Selection: s, Tenants: []reconcile.Plan{}}
	compared, err := reconcile.See(ctx, f.homesOf(records), fleet)
	if err != nil {
		return plan, err
	}
	if plan.Shared, err = f.planShared(ctx, records, fleet); err != nil {
		return plan, err
	}
	for _, t := range fleet {
		if !t.Declared {
			plan.Undeclared = append(plan.Undeclared, t.Name)
			continue
		}
		made := reconcile.Decide(t, compared[t.Name])
		made.Note = maskText(made.Note)
		if len(made.Actions) == 0 {
			plan.Unchanged++
			continue
		}
		plan.Tenants = append(plan.Tenants, made)
	}
	plan.Hash, err = hashOf(plan.Tenants, plan.Shared)
	return plan, err
}

// hashOf is a digest of everything that a plan does and why.
func hashOf(tenants []reconcile.Plan, shared []provision.Shared) (string, error) {
	var all any = tenants
	if len(shared) > 0 {
		all = []any{tenants, shared}
	}
	body, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("hash the plan: %w", err)
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
