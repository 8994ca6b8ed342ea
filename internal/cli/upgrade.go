package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/progress"
	"tenantctl/internal/config"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/gate"
)

type upgradeOptions struct {
	Factory   *Factory
	Selection selection
	Services  []string
	To        uint64
	DryRun    bool
	Resume    bool
	Rollback  string
	Supersede bool
	Accept    string
	Reason    string
	Preflight bool

	LockTimeout, StatementTimeout, ConcurrentWait time.Duration
}

func newCmdUpgrade(f *Factory, runF func(context.Context, *upgradeOptions) error) *cobra.Command {
	opts := &upgradeOptions{Factory: f}
	patience := upgrade.DefaultPatience()
	cmd := &cobra.Command{
		Use:   "upgrade [NAME...]",
		Short: "Roll schema versions out over the tenants, in waves",
		Long: `Bring the tenants' schemas to the versions of tenants.yaml, or the newest: ring by ring, in the waves that rollout.rings declares.
After each wave it waits for the ring's bake and asks the gates. A wave stops when more tenants fail than rollout.budget allows.

Each file and its version row are one transaction, so that a schema is never left dirty; locks are waited for briefly and tried
again, and a tenant whose locks don't come free is deferred to the end of its wave. What happens is recorded: after a failure, a
gate, Ctrl-C or a kill, --resume goes on, and --rollback takes exactly the touched tenants back, last first.

Running services say which versions they serve (tenantctl services). No wave begins, and none is taken back, to a version that one
of them can't work with.

On GitHub the summary of the step gets a table. Tenants that are being moved, archived or not provisioned are left out and named. Tenants made meanwhile come in a last wave.`,
		Example: `  tenantctl upgrade --all --dry-run
  tenantctl upgrade --all
  tenantctl upgrade --all --service core --to 12
  tenantctl upgrade --selector ring=canary
  tenantctl upgrade --resume
  tenantctl upgrade --rollback r7`,
		Args: func(cmd *cobra.Command, args []string) error { return opts.check(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runUpgrade(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&opts.Services, "service", nil, "only the streams of these services")
	flags.Uint64Var(&opts.To, "to", 0, "version to bring the service to, in place of its pin or the newest")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show who would be upgraded, in which waves and by what; try the files on one tenant of each cohort, in a transaction that is rolled back")
	flags.BoolVar(&opts.Resume, "resume", false, "go on with the last rollout where it stopped; what failed is tried again")
	flags.StringVar(&opts.Rollback, "rollback", "", "take the tenants that this rollout touched back to where they stood")
	flags.BoolVar(&opts.Supersede, "supersede", false, "begin a new rollout although the last one isn't finished")
	flags.StringVar(&opts.Accept, "accept-gate", "", "with --resume: go on whatever the gate says, once; why is recorded")
	flags.StringVar(&opts.Reason, "reason", "", "why, for the records")
	flags.BoolVar(&opts.Preflight, "preflight", true, "first ask every tenant's data what the files would stumble over")
	flags.DurationVar(&opts.LockTimeout, "lock-timeout", patience.LongestLock, "longest that a file waits for its locks, all together, and others behind them")
	flags.DurationVar(&opts.StatementTimeout, "statement-timeout", patience.Statement, "longest that a statement of a transactional file runs")
	flags.DurationVar(&opts.ConcurrentWait, "concurrent-wait", patience.Concurrent, "longest that CREATE INDEX CONCURRENTLY and its like wait for older transactions")
	return cmd
}

// check wants one way to say what to do.
func (o *upgradeOptions) check(cmd *cobra.Command, args []string) error {
	selected := len(args) > 0 || o.Selection.All || o.Selection.Selector != ""
	switch {
	case o.Resume && o.Rollback != "":
		return usageError(cmd, "", "--resume goes forward and --rollback back: give one of them")
	case (o.Resume || o.Rollback != "") && (selected || len(o.Services) > 0 || o.To > 0 || o.Supersede || o.DryRun):
		return usageError(cmd, "", "--resume and --rollback concern a recorded rollout: leave out tenants, --service, --to, --dry-run and --supersede")
	case o.Accept != "" && !o.Resume:
		return usageError(cmd, "", "--accept-gate goes with --resume")
	case o.To > 0 && len(o.Services) != 1:
		return usageError(cmd, "for example --service core --to 12", "--to needs one --service")
	case min(o.LockTimeout, o.StatementTimeout, o.ConcurrentWait) <= 0:
		return usageError(cmd, "", "--lock-timeout, --statement-timeout and --concurrent-wait must be more than 0: nothing waits forever")
	}
	if o.Resume || o.Rollback != "" {
		return nil
	}
	return o.Selection.some(o.Factory, true)(cmd, args)
}

func runUpgrade(ctx context.Context, opts *upgradeOptions) error {
	f := opts.Factory
	s, err := f.Settings()
	if err != nil {
		return err
	}
	show := progress.NewRollout(f.Streams, s.Progress)
	defer show.Close()
	u, err := f.upgrader(ctx, opts, show)
	if err != nil {
		return err
	}
	switch {
	case opts.Resume:
		last, err := u.Store.Last(ctx)
		if err != nil {
			return err
		}
		return f.carryOn(show, func() (upgrade.Report, error) { return u.Run(ctx, last.ID) })
	case opts.Rollback != "":
		if err := f.confirmRollback(ctx, u, opts.Rollback); err != nil {
			return err
		}
		return f.carryOn(show, func() (upgrade.Report, error) { return u.Revert(ctx, opts.Rollback) })
	}
	return f.begin(ctx, opts, u, show)
}

// begin plans a new rollout, has it confirmed and runs it.
func (f *Factory) begin(ctx context.Context, opts *upgradeOptions, u *upgrade.Upgrader, show *progress.Rollout) error {
	members, err := u.Members(ctx)
	if err != nil {
		return err
	}
	proposal, err := u.Plan(ctx, members)
	if err != nil {
		return err
	}
	if proposal.Empty() && !opts.DryRun {
		if err := f.upgradeShared(ctx, opts); err != nil {
			return err
		}
	}
	if proposal.Empty() {
		return f.printProposal(rolloutPlan{Proposal: proposal})
	}
	plan := rolloutPlan{Proposal: proposal}
	// A dry run shows the rest as well; the real one ends here, before it asks every tenant's data.
	unserved := u.CheckServed(ctx, proposal)
	if unserved != nil && !opts.DryRun {
		return unserved
	}
	if opts.Preflight {
		if plan.Preflight, err = f.preflight(ctx, u, proposal); err != nil {
			return err
		}
	}
	if opts.DryRun {
		if plan.Cohorts, err = f.tryOut(ctx, u, proposal); err != nil {
			return err
		}
		return errors.Join(f.printProposal(plan), unserved)
	}
	if err := plan.write(f.Streams.Err, f.errPrinter()); err != nil {
		return err
	}
	if err := f.refuseHopeless(u, plan); err != nil {
		return err
	}
	if err := f.confirm(ctx, "Upgrade them?", "upgrade"); err != nil {
		return err
	}
	rollout, err := u.Begin(ctx, proposal, upgrade.BeginOptions{Reason: opts.Reason, Whole: opts.Selection.All, Supersede: opts.Supersede})
	if err != nil {
		return err
	}
	f.Tell("rollout %s", rollout.ID)
	return f.carryOn(show, func() (upgrade.Report, error) { return u.Run(ctx, rollout.ID) })
}

// carryOn runs a rollout and prints what came of it, whatever that is.
func (f *Factory) carryOn(show *progress.Rollout, run func() (upgrade.Report, error)) error {
	report, err := run()
	show.Close()
	if report.Rollout.ID == "" {
		return err
	}
	return errors.Join(err, f.printRollout(report), f.stepSummary(summarizeRollout(report)))
}

func (f *Factory) confirmRollback(ctx context.Context, u *upgrade.Upgrader, id string) error {
	r, err := u.Store.Rollout(ctx, id)
	if err != nil {
		return err
	}
	f.Tell("rollout %s, %s: the ways down run on every tenant that it touched, and take away what they made, rows included", r.ID, r.State)
	return f.confirm(ctx, "Roll back?", "upgrade --rollback "+id)
}

// upgrader plugs a rollout together.
func (f *Factory) upgrader(ctx context.Context, opts *upgradeOptions, show upgrade.Observer) (*upgrade.Upgrader, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	streams, targets, err := upgradeTargets(file, opts.Services, opts.To)
	if err != nil {
		return nil, err
	}
	var gates []upgrade.Gate
	if opts.Rollback == "" && !opts.DryRun { // neither asks a gate, so neither needs its secrets
		if gates, err = f.gates(file); err != nil {
			return nil, err
		}
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return nil, err
	}
	store, err := upgrade.OpenStore(ctx, records.Pool())
	if err != nil {
		return nil, err
	}
	patience := upgrade.DefaultPatience()
	patience.LongestLock, patience.Statement, patience.Concurrent = opts.LockTimeout, opts.StatementTimeout, opts.ConcurrentWait
	patience.FirstLock = min(patience.FirstLock, patience.LongestLock)
	homes := &instances{factory: f, records: records, open: map[string]upgrade.Instance{}}
	return upgrade.New(upgrade.Config{
		Registry: records, Store: store, Streams: streams, Targets: targets, Rollout: file.Rollout(),
		Members:  func(ctx context.Context) ([]upgrade.Member, error) { return f.members(ctx, &opts.Selection) },
		Instance: homes.get, Gates: gates, AcceptGate: opts.Accept, Patience: patience, Observer: show, Actor: f.actor(),
		Drain: f.signals.draining(), Log: f.quietLog(),
	}), nil
}

// gates are asked after each wave.
func (f *Factory) gates(file *config.File) ([]upgrade.Gate, error) {
	transport, err := f.toServices()
	if err != nil {
		return nil, err
	}
	running := func(ctx context.Context) ([]registry.RunningService, error) {
		records, err := f.Registry(ctx)
		if err != nil {
			return nil, err
		}
		return records.Running(ctx)
	}
	return gate.All(file.Rollout(), gate.Options{Resolve: f.resolve, Running: running, Platform: transport})
}

// members are the tenants of a selection that were made, as they are declared and recorded now.
func (f *Factory) members(ctx context.Context, s *selection) ([]upgrade.Member, error) {
	fleet, err := f.fleet(ctx, s)
	if err != nil {
		return nil, err
	}
	var members []upgrade.Member
	for _, t := range fleet {
		if t.Status == nil {
			if len(s.Names) > 0 {
				return nil, tenant.WithHint(fmt.Errorf("tenant %s isn't there yet: %w", t.Name, tenant.ErrNotFound), "`tenantctl provision "+string(t.Name)+"` makes it, at the current versions")
			}
			continue
		}
		m := upgrade.Member{
			Tenant: t.Name, Instance: t.Status.Instance, Schema: t.Status.Schema, Ring: t.Spec.Ring, State: t.Status.State, Services: t.Spec.Services,
		}
		if op := t.Status.Operation; op != nil {
			m.Busy = op.Kind
		}
		if len(m.Services) > 0 {
			members = append(members, m)
		}
	}
	return members, nil
}

// existingStore opens the records of rollouts to read them.
func (f *Factory) existingStore(ctx context.Context) (*upgrade.Store, *registry.Registry, error) {
	records, err := f.ExistingRegistry(ctx)
	if err != nil {
		return nil, nil, err
	}
	store, err := upgrade.ReadStore(ctx, records.Pool())
	if errors.Is(err, tenant.ErrNotFound) {
		err = tenant.WithHint(err, "`tenantctl upgrade --all` begins one")
	}
	return store, records, err
}

func unknownService(name string, known []string) error {
	message := fmt.Sprintf("--service: no service is called %q", name)
	if near := nearest(name, known); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return tenant.WithHint(&invalidUsage{message}, "tenants.yaml declares "+strings.Join(slices.Sorted(slices.Values(known)), ", "))
}
