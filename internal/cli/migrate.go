package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/progress"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

type migrateOptions struct {
	Factory    *Factory
	Name       string
	Mode       string
	Plan       bool
	StopBefore string
	Jobs       int
	MaxRate    byteSize
	ChunkSize  byteSize
	Reason     string
	Report     string
}

// The modes of a move.
const (
	modeAuto    = "auto"
	modeOffline = "offline"
	modeLive    = "live"
)

const defaultJobs = 2

func newCmdMigrate(f *Factory, runF func(context.Context, *migrateOptions) error) *cobra.Command {
	opts := &migrateOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "migrate NAME",
		Short: "Move a client's legacy database into its tenant's schema",
		Long: `Move a client's legacy database into its tenant's schema of the shared instance, and prove that every row arrived. The legacy
schema is carried as it is, or by a mapping into the tables of the platform's services, as tenants.yaml says.

The move is offline: before the first row is copied, writes to the legacy database are stopped, and they stay stopped until
` + "`tenantctl rollback`" + ` gives the client its old database back, or for good. A move goes through these phases:

  inspect     read the legacy database; refuse what can't be carried, before anything is touched
  provision   make the tenant's schema and roles
  schema      make tables and types
  fence       stop writes to the legacy database
  copy        copy every row
  index       build indexes, constraints and triggers
  verify      read every row back and compare it with what the legacy database sent
  cutover     send the tenant's traffic to the platform

Run again it goes on where it stopped, also after a crash. Ctrl-C stops it in good order, a second one at once; either way it
can go on. Without --mode it says how long writes will stop and asks; --yes or --mode offline agree beforehand.

Progress goes to standard error, as bars on a terminal and as lines elsewhere; with --progress json as a line of JSON for
each event. The result goes to standard output.`,
		Example: `  tenantctl migrate client-x
  tenantctl migrate client-x --plan
  tenantctl migrate client-x --mode offline --jobs 4 --reason 'ticket 4711'
  tenantctl migrate client-x --stop-before fence`,
		Args: f.oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if err := opts.check(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runMigrate(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	opts.flags(cmd)
	complete(cmd, "mode", modeAuto, modeOffline)
	complete(cmd, "stop-before", migrate.Phases()...)
	return cmd
}

// complete lets a shell complete a flag's values. It can only fail for a flag that isn't there.
func complete(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func (o *migrateOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.Mode, "mode", modeAuto, "auto, offline or live; auto is offline as long as live moves don't exist")
	flags.BoolVar(&o.Plan, "plan", false, "show what would be done, with SQL and estimates, and touch nothing")
	flags.StringVar(&o.StopBefore, "stop-before", "", "stop before this `phase`; run again, or cutover, to go on")
	o.speedFlags(cmd)
	flags.StringVar(&o.Reason, "reason", "", "why, for the records")
	flags.StringVar(&o.Report, "report", "", "write the proof to this `file` as JSON")
}

func (o *migrateOptions) speedFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.Jobs, "jobs", defaultJobs, "tables and indexes worked on at once")
	flags.Var(&o.MaxRate, "max-rate", "read at most so much a second from the legacy database, such as 20MB (default: no bound)")
	flags.Var(&o.ChunkSize, "chunk-size", "how much of a table one transaction takes, such as 128MB")
}

func (o *migrateOptions) check(cmd *cobra.Command) error {
	switch o.Mode {
	case modeAuto, modeOffline:
	case modeLive:
		return usageError(cmd, fmt.Sprintf("`tenantctl migrate %s --mode offline` moves it while writes to the legacy database are stopped", o.Name),
			"live moves don't exist yet")
	default:
		return usageError(cmd, "it can be auto or offline", "--mode: unknown value %q", o.Mode)
	}
	if o.StopBefore != "" && !slices.Contains(migrate.Phases(), o.StopBefore) {
		message := fmt.Sprintf("--stop-before: there is no phase %q", o.StopBefore)
		if near := nearest(o.StopBefore, migrate.Phases()); near != "" {
			message += fmt.Sprintf("; did you mean %q?", near)
		}
		return usageError(cmd, "the phases are "+strings.Join(migrate.Phases(), ", "), "%s", message)
	}
	if o.Jobs < 1 {
		return usageError(cmd, "", "--jobs: at least 1, got %d", o.Jobs)
	}
	return nil
}

// byteSize is a flag such as 20MB, in units of PostgreSQL: 1 MB is 1,024 kB.
type byteSize int64

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	units := []struct {
		suffix string
		factor float64
	}{
		{"kib", 1 << 10},
		{"mib", 1 << 20},
		{"gib", 1 << 30},
		{"kb", 1 << 10},
		{"mb", 1 << 20},
		{"gb", 1 << 30},
		{"k", 1 << 10},
		{"m", 1 << 20},
		{"g", 1 << 30},
		{"b", 1},
		{"", 1},
	}
	lower := strings.TrimSuffix(strings.ToLower(strings.ReplaceAll(text, " ", "")), "/s")
	for _, unit := range units {
		digits, found := strings.CutSuffix(lower, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || n <= 0 || n*unit.factor < 1 || n*unit.factor > 1<<62 {
			break
		}
		*b = byteSize(n * unit.factor)
		return nil
	}
	return fmt.Errorf("expected a size such as 20MB, got %q", text)
}

// String implements pflag.Value.
func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return look.Bytes(int64(*b))
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "size" }

func (o *migrateOptions) apply(config *migrate.Config) {
	config.Reason, config.Jobs, config.StopBefore = o.Reason, o.Jobs, o.StopBefore
	config.MaxRate, config.ChunkBytes = int64(o.MaxRate), int64(o.ChunkSize)
}

func runMigrate(ctx context.Context, opts *migrateOptions) error {
	f := opts.Factory
	keeping := keepsRecords
	if opts.Plan {
		keeping = readsRecords
	}
	m, err := f.mover(ctx, opts.Name, keeping)
	if err != nil {
		return err
	}
	opts.apply(&m.config)
	if opts.Plan {
		return f.showMovePlan(ctx, m)
	}
	return f.move(ctx, m, opts)
}

// move runs a move, or the rest of it, and prints what came of it.
func (f *Factory) move(ctx context.Context, m *mover, opts *migrateOptions) error {
	if err := f.announce(ctx, m, opts); err != nil {
		return err
	}
	s, err := f.Settings()
	if err != nil {
		return err
	}
	if err := m.records.ClearOverride(ctx, m.name(), reconcile.OverrideMove, f.actor()); err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	show := progress.NewMove(f.Streams, s.Progress, m.name())
	m.config.Observer, m.config.Drain = show, f.signals.draining()
	result, err := migrate.Run(ctx, m.config)
	show.Close()
	if err != nil {
		return f.unfinishedMove(ctx, m, opts, err)
	}
	if result.Report != nil && opts.Report != "" {
		if err := writeJSON(opts.Report, result.Report); err != nil {
			return err
		}
	}
	return f.printMoved(result)
}

// announce says how long writes will stop, and has that agreed to. A move whose fence stands already just goes on.
func (f *Factory) announce(ctx context.Context, m *mover, opts *migrateOptions) error {
	last, err := m.last(ctx)
	if err != nil {
		return err
	}
	if last != nil && last.State == tenant.OperationDone { // it is refused without a question; a run that was killed at its very end has left something
		return m.scratch.sweep(ctx, scratchDatabase(last.ID))
	}
	op, err := m.resume(ctx)
	if err != nil {
		return err
	}
	blocked, err := m.blocked(ctx, op)
	if err != nil {
		return err
	}
	if blocked != nil {
		f.Tell("going on with the move of %s at `%s`; writes to its legacy database are stopped since %s", m.name(), op.Phase, look.Clock(blocked.Since, f.now()))
		return nil
	}
	if stopsBeforeFence(opts.StopBefore) {
		return nil
	}
	catalog, err := readCatalog(ctx, m)
	if err != nil {
		return err
	}
	var bytes int64
	for _, t := range catalog.Tables {
		bytes += t.Bytes
	}
	f.Tell("%s is moved offline: writes to its legacy database stop for about %s (%s in %s)", m.name(), look.Duration(inspect.Estimate(catalog)),
		look.Bytes(bytes), look.Plural(int64(len(catalog.Tables)), "table", "tables"))
	if opts.Mode == modeOffline {
		return nil
	}
	return f.confirm(ctx, "Go ahead?", "migrate "+string(m.name()))
}

func readCatalog(ctx context.Context, m *mover) (*inspect.Catalog, error) {
	conn, err := postgres.Connect(ctx, m.config.Source, postgres.Options{Application: "migrate"})
	if err != nil {
		return nil, fmt.Errorf("legacy database of %s: %w", m.name(), err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return inspect.Read(ctx, conn)
}

// unfinishedMove says where a move stands that didn't come to its end, and what of the client is blocked meanwhile. One that
// stopped where it was told to is no error.
func (f *Factory) unfinishedMove(ctx context.Context, m *mover, opts *migrateOptions, cause error) error {
	aborted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	op, err := m.unfinished(ctx)
	if err != nil || op == nil {
		return errors.Join(cause, err)
	}
	blocked, err := m.blocked(ctx, op)
	if err != nil {
		return errors.Join(cause, err)
	}
	stopped := errors.Is(cause, tenant.ErrStopped)
	if stopped {
		f.Tell("stopped before %s, as asked; `tenantctl cutover %s` goes on to the end", opts.StopBefore, m.name())
	}
	if blocked != nil && blocked.Runner == "" {
		f.Warn("%s", blocked.Sentence(m.name(), f.now()))
	}
	switch {
	case stopped:
		return f.printStanding(op)
	case errors.Is(cause, tenant.ErrInterrupted) || aborted:
		return tenant.WithHint(cause, fmt.Sprintf("`tenantctl migrate %s` goes on where it stopped", m.name()))
	}
	return cause
}
