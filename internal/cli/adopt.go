package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/progress"
	"tenantctl/internal/config"
	"tenantctl/internal/look"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type adoptOptions struct {
	Factory  *Factory
	Names    []string
	Schemas  string
	From     string
	Instance string
	Service  string
	At       *uint64 // nil: not given
	DryRun   bool
	Write    bool
}

// The tools whose fleets can be found.
const (
	fromGolangMigrate = "golang-migrate"
	fromDjango        = "django-tenants"
	fromApartment     = "apartment"
)

func newCmdAdopt(f *Factory, runF func(context.Context, *adoptOptions) error) *cobra.Command {
	opts := &adoptOptions{Factory: f}
	var at uint64
	cmd := &cobra.Command{
		Use:   "adopt [NAME...]",
		Short: "Take schemas that are there already into the fleet",
		Long: `Take schemas of an instance that others made into the fleet: those of --schemas, those that --from finds, or those of the tenants
named. What would be done is shown first. No row and no definition is changed: the schema and what the services' streams made in
it get tenantctl's roles as owners, privileges are made as declared, and the schema bears tenantctl's mark.

golang-migrate's version tables stay and both tools go on from there; where theirs has another name than tenantctl's, name it by
services.NAME.table in tenants.yaml. --at says where a schema stands that has no version. A schema that is dirty is not adopted;
what to look at is told. Objects that no stream makes stay with their owners, who keep their way to them, and so does everything in
the schemas of django-tenants and Apartment, whose migrations are no stream's.

Named tenants that are in the fleet already have the streams' files taken as they are now: the way out when an applied file was
edited on purpose.

What tenants.yaml doesn't declare yet is printed for it, or added with --write.`,
		Example: `  tenantctl adopt --schemas 'tenant_*' --dry-run
  tenantctl adopt --schemas 'tenant_*' --write
  tenantctl adopt --from django-tenants --instance shared-1
  tenantctl adopt --schemas 'acme' --service billing --at 12
  tenantctl adopt client-x --service core`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("at") {
				opts.At = &at
			}
			return opts.check(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runAdopt(cmd.Context(), opts)
		},
	}
	cmd.ValidArgsFunction = f.completeTenants
	flags := cmd.Flags()
	flags.StringVar(&opts.Schemas, "schemas", "", "pattern of schemas' names, such as 'tenant_*'")
	flags.StringVar(&opts.From, "from", "", "find the fleet of a tool: golang-migrate, django-tenants or apartment")
	flags.StringVar(&opts.Instance, "instance", "", "where the schemas are; needed where tenants.yaml has several")
	flags.StringVar(&opts.Service, "service", "", "the service whose stream the schemas belong to (default: those whose version tables they have)")
	flags.Uint64Var(&at, "at", 0, "version at which schemas without one stand")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show what would be done; change nothing")
	flags.BoolVar(&opts.Write, "write", false, "add the tenants to tenants.yaml")
	return cmd
}

func (o *adoptOptions) check(cmd *cobra.Command, args []string) error {
	o.Names = slices.Compact(slices.Sorted(slices.Values(args)))
	for _, name := range args {
		if _, err := tenant.ParseName(name); err != nil {
			return err
		}
	}
	tools := []string{fromGolangMigrate, fromDjango, fromApartment}
	if o.From != "" && !slices.Contains(tools, o.From) {
		return usageError(cmd, "the tools are golang-migrate, django-tenants and apartment", "--from: unknown tool %q", o.From)
	}
	if _, err := path.Match(o.Schemas, ""); err != nil {
		return usageError(cmd, "for example --schemas 'tenant_*'", "--schemas: %q is no pattern", o.Schemas)
	}
	if len(args) == 0 && !o.discovers() {
		return usageError(cmd, o.Factory.exampleFor(cmd), "%s needs --schemas, --from or the names of tenants", cmd.CommandPath())
	}
	return nil
}

// discovers tells that schemas are to be looked for, and not only tenants by name.
func (o *adoptOptions) discovers() bool { return o.Schemas != "" || o.From != "" }

func runAdopt(ctx context.Context, opts *adoptOptions) error {
	f := opts.Factory
	a, err := f.newAdopter(ctx, opts)
	if err != nil {
		return err
	}
	if err := a.find(ctx); err != nil {
		return err
	}
	if opts.DryRun {
		return errors.Join(a.print(), outcomesError(append(a.refused(), make([]outcome, a.pending())...)))
	}
	if err := a.write(f.Streams.Err, output.Printer{Color: f.Streams.ErrTerminal && f.Streams.Color}); err != nil {
		return err
	}
	if a.pending() == 0 {
		return errors.Join(a.declare(nil), printOutcomes(f.Printer(), a.refused()))
	}
	if err := f.confirm(ctx, "Adopt this?", "adopt"); err != nil {
		return err
	}
	outcomes, err := a.carryOut(ctx)
	if err != nil {
		return err
	}
	return errors.Join(a.declare(outcomes), printOutcomes(f.Printer(), sorted(append(outcomes, a.refused()...))))
}

// adopter is one run of the command on one instance.
type adopter struct {
	*adoptOptions
	file     *config.File
	instance string
	home     *provision.Provisioner
	statuses map[tenant.Name]tenant.Status
	items    []*adoptItem
	known    int // schemas that are in the fleet already
}

func (f *Factory) newAdopter(ctx context.Context, opts *adoptOptions) (*adopter, error) {
	a := &adopter{adoptOptions: opts, statuses: map[tenant.Name]tenant.Status{}}
	var err error
	if a.file, err = f.Config(); err != nil {
		return nil, err
	}
	records, err := f.existing(ctx)
	if err != nil {
		return nil, err
	}
	if records != nil {
		statuses, err := records.Statuses(ctx, registry.StatusFilter{})
		if err != nil {
			return nil, err
		}
		for _, s := range statuses {
			a.statuses[s.Name] = s
		}
	}
	if a.instance, err = a.where(); err != nil {
		return nil, err
	}
	a.home, err = f.Provisioner(ctx, a.instance, records, provisionerOptions{})
	return a, err
}

// where is the instance: the one named, the one of the tenants named, or the only one.
func (a *adopter) where() (string, error) {
	if a.Instance != "" {
		_, err := a.file.Instance(a.Instance)
		return a.Instance, err
	}
	var homes []string
	for _, name := range a.Names {
		if s, ok := a.statuses[tenant.Name(name)]; ok {
			homes = append(homes, s.Instance)
		} else if spec, err := a.file.Tenant(tenant.Name(name)); err == nil {
			homes = append(homes, spec.Instance)
		}
	}
	if homes = slices.Compact(slices.Sorted(slices.Values(homes))); len(homes) == 1 {
		return homes[0], nil
	}
	instances := a.file.Instances()
	if len(instances) == 1 {
		return instances[0].Name, nil
	}
	return "", tenant.WithHint(&invalidUsage{"tenants.yaml has several instances: say which"}, "--instance "+instances[0].Name)
}

// carryOut adopts what isn't refused, each under its tenant's lease. By now the answer is yes, so that records are made where
// there are none.
func (a *adopter) carryOut(ctx context.Context) ([]outcome, error) {
	f := a.Factory
	records, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	home, err := f.Provisioner(ctx, a.instance, records, provisionerOptions{})
	if err != nil {
		return nil, err
	}
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	var fleet []reconcile.Tenant
	doing := map[tenant.Name]*adoptItem{}
	for _, item := range a.items {
		if item.pending() {
			fleet = append(fleet, reconcile.Tenant{Name: item.Tenant})
			doing[item.Tenant] = item
		}
	}
	show := progress.NewFleet(f.Streams, s.Progress, "adopt", len(fleet))
	defer show.Close()
	return eachTenant(ctx, fleet, defaultParallel, f.signals.draining(), func(ctx context.Context, t reconcile.Tenant) outcome {
		var made outcome
		err := withLease(ctx, records, t.Name, func(ctx context.Context) error {
			made = a.carryOutOne(ctx, home, doing[t.Name])
			return made.err
		})
		if err != nil {
			return failedOutcome(t.Name, err)
		}
		return made
	}, func(o outcome) { show.Ended(o.Tenant, o.err) }), nil
}

func (a *adopter) carryOutOne(ctx context.Context, home *provision.Provisioner, item *adoptItem) outcome {
	if item.Action == actionRebaseline {
		edited, err := home.Rebaseline(ctx, item.spec, item.spec.Services)
		if err != nil {
			return failedOutcome(item.Tenant, err)
		}
		o := outcome{Tenant: item.Tenant, Result: resultDone, Detail: "files taken as they are"}
		if len(edited.Differences) == 0 {
			o.Result, o.Detail = resultUnchanged, "made from these files"
		}
		return o
	}
	made, err := home.Adopt(ctx, item.spec, a.At)
	made.Err = errors.Join(made.Err, err)
	o := outcomeOf(made)
	if o.err == nil {
		o.Result, o.Detail = resultDone, fmt.Sprintf("adopted from schema %s, in cell %s", item.Schema, o.Cell)
	}
	return o
}

// declare adds the tenants to tenants.yaml, or says what to add. Only those count that are in the fleet now.
func (a *adopter) declare(outcomes []outcome) error {
	f := a.Factory
	in := map[tenant.Name]bool{}
	for _, o := range outcomes {
		in[o.Tenant] = o.err == nil
	}
	var newcomers []config.Newcomer
	for _, item := range a.items {
		if item.newcomer && (in[item.Tenant] || item.Action == actionDeclare) {
			newcomers = append(newcomers, item.asNewcomer())
		}
	}
	if len(newcomers) == 0 {
		return nil
	}
	added, err := a.file.Add(newcomers)
	if err != nil {
		return err
	}
	if !a.Write {
		f.Tell("add these to %s under tenants:, or have it done with --write:\n%s", a.file.Name(), added.Lines)
		return nil
	}
	file, err := added.Write()
	if err != nil {
		f.Tell("add these to %s under tenants:\n%s", file, added.Lines)
		return err
	}
	f.Tell("added %s to %s", look.Plural(int64(len(newcomers)), "tenant", "tenants"), file)
	return nil
}
