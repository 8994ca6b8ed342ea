package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
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

// The actions of a plan.
const (
	actionCreate  = "create"
	actionChange  = "change" // drift, or a changed declaration
	actionSuspend = "suspend"
	actionResume  = "resume"
	actionArchive = "archive"
	actionDelete  = "delete" // told, never done by apply
	actionBlocked = "blocked"
)

// fleetPlan is what has to be done. It is kept as JSON.
type fleetPlan struct {
	File      string       `json:"file"`
	Created   time.Time    `json:"created"`
	Selection selection    `json:"selection"`
	Hash      string       `json:"hash"` // of the tenants' changes: what was seen and what was declared
	Tenants   []tenantPlan `json:"tenants"`
	Unchanged int          `json:"unchanged"`
	// Undeclared are tenants that are there and no longer in tenants.yaml: they are left alone.
	Undeclared []tenant.Name `json:"undeclared,omitempty"`
}

// tenantPlan is what has to be done for one tenant.
type tenantPlan struct {
	Tenant   tenant.Name      `json:"tenant"`
	Instance string           `json:"instance"`
	Schema   string           `json:"schema"`
	Actions  []string         `json:"actions"`
	From     tenant.State     `json:"from,omitempty"` // state; empty: it isn't there
	To       tenant.State     `json:"to"`
	Steps    []provision.Step `json:"steps,omitempty"`
	Foreign  []string         `json:"foreign,omitempty"`
	Note     string           `json:"note,omitempty"`

	spec    tenant.Spec
	blocked error // why it can't be planned
}

// pending tells whether apply would do something.
func (t tenantPlan) pending() bool {
	return slices.ContainsFunc(t.Actions, func(action string) bool { return action != actionDelete && action != actionBlocked })
}

func (p fleetPlan) pending() int {
	n := 0
	for _, t := range p.Tenants {
		if t.pending() {
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
	if opts.Detailed && plan.pending() > 0 {
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
	plan := fleetPlan{File: settings.File, Created: f.now().UTC(), Selection: s, Tenants: []tenantPlan{}}
	compared, err := f.compare(ctx, records, fleet)
	if err != nil {
		return plan, err
	}
	for _, t := range fleet {
		if !t.Declared {
			plan.Undeclared = append(plan.Undeclared, t.Name)
			continue
		}
		made := planTenant(t, compared[t.Name])
		if len(made.Actions) == 0 {
			plan.Unchanged++
			continue
		}
		plan.Tenants = append(plan.Tenants, made)
	}
	plan.Hash, err = hashOf(plan.Tenants)
	return plan, err
}

// comparison is what the instance says of a tenant.
type comparison struct {
	plan provision.Plan
	err  error // concerns this tenant alone: something of others is in its place
}

// compare asks the instances. What stands in one tenant's way doesn't keep the others from being planned.
func (f *Factory) compare(ctx context.Context, records *registry.Registry, fleet []fleetTenant) (map[tenant.Name]comparison, error) {
	var specs []tenant.Spec
	for _, t := range fleet {
		spec := t.Spec
		spec.State = t.desired()
		if t.Declared && spec.State != tenant.Deleted {
			specs = append(specs, spec)
		}
	}
	found := make(map[tenant.Name]comparison, len(specs))
	instances, grouped := byInstance(specs)
	for _, instance := range instances {
		p, err := f.Provisioner(ctx, instance, records, provisionerOptions{})
		if err != nil {
			return nil, err
		}
		plans, err := p.Plan(ctx, grouped[instance]...)
		for _, plan := range plans {
			found[plan.Tenant] = comparison{plan: plan}
		}
		if err == nil {
			continue
		}
		for _, spec := range grouped[instance] {
			plans, err := p.Plan(ctx, spec)
			if err != nil && !errors.Is(err, tenant.ErrConflict) && !errors.Is(err, tenant.ErrRefused) {
				return nil, err
			}
			found[spec.Name] = comparison{err: err}
			if err == nil {
				found[spec.Name] = comparison{plan: plans[0]}
			}
		}
	}
	return found, nil
}

// planTenant decides what is to be done, from what is declared, recorded and seen. It asks nobody.
func planTenant(t fleetTenant, c comparison) tenantPlan {
	made := tenantPlan{Tenant: t.Name, Instance: t.Spec.Instance, Schema: t.Spec.Schema, To: t.desired(), spec: t.Spec, Steps: c.plan.Steps, Foreign: c.plan.Foreign}
	made.spec.State = made.To
	if t.Status != nil {
		made.From = t.Status.State
	}
	if made.To != t.Spec.State {
		made.Note = fmt.Sprintf("%s by hand, declared as %s; `tenantctl resume %s` lifts that", made.To, t.Spec.State, t.Name)
	}
	switch {
	case made.To == tenant.Deleted:
		if t.Status == nil {
			return made
		}
		made.Actions, made.Note = []string{actionDelete}, fmt.Sprintf("declared deleted; apply never removes data: `tenantctl delete %s`", t.Name)
		return made
	case c.err != nil:
		made.Actions, made.Note, made.blocked = []string{actionBlocked}, maskText(c.err.Error()), c.err
		return made
	case t.Status == nil:
		made.Actions = append(made.Actions, actionCreate)
	}
	made.Actions = append(made.Actions, stateActions(made.From, made.To)...)
	if t.Status != nil && (len(c.plan.Steps) > 0 || declarationChanged(t)) {
		made.Actions = append(made.Actions, actionChange)
	}
	return made
}

// stateActions leads from one state to another. A tenant that isn't there is made in the state that it is to have.
func stateActions(from, to tenant.State) []string {
	if from == to {
		return nil
	}
	switch to {
	case tenant.Suspended:
		return []string{actionSuspend}
	case tenant.Archived:
		return []string{actionArchive}
	case tenant.Active:
		if from != "" {
			return []string{actionResume}
		}
	}
	return nil
}

// declarationChanged tells whether the records hold something else than tenants.yaml.
func declarationChanged(t fleetTenant) bool {
	s := t.Status
	return s.Ring != t.Spec.Ring || s.Limits != t.Spec.Limits || s.Upstream != t.Spec.Upstream || !slices.Equal(s.Services, t.Spec.Services)
}

// hashOf is a digest of everything that a plan does and why.
func hashOf(tenants []tenantPlan) (string, error) {
	body, err := json.Marshal(tenants)
	if err != nil {
		return "", fmt.Errorf("hash the plan: %w", err)
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
