package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/records"
	"tenantctl/internal/tui/remote"
)

type dashboardOptions struct {
	Factory  *Factory
	Name     string
	ReadOnly bool
	serverFlags
}

func newCmdDashboard(f *Factory, runF func(context.Context, *dashboardOptions) error) *cobra.Command {
	opts := &dashboardOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "dashboard [NAME]",
		Short: "See and drive the fleet in a terminal",
		Long: `Show the fleet in the terminal, live: which tenants need somebody, how moves and rollouts go, what failed and why, what of the
platform runs, what happens. With a tenant's name it begins there. ? shows the keys of each page, q leaves.

What can be done at the command line can be done from there: x shows what the tenant under the cursor or the marked ones can be
given, and why the rest can't. Every action shows first what it would do; what can't be taken back wants the tenant's name typed.
An action is a run of tenantctl of its own: it goes on when the dashboard is closed. With --readonly there is only seeing.

It needs 60 columns and 16 rows. It asks the control database twice a second; instances and services it asks only for what a page shows
of them, and does without where they don't answer. With --server it asks an operator instead, which needs neither tenants.yaml nor a
database to be reached from here; something can be done then only where they are, and are that operator's.`,
		Example: `  tenantctl dashboard
  tenantctl dashboard client-x
  tenantctl dashboard --readonly
  tenantctl dashboard --server http://operator:8090 --token-file token`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := opts.check(cmd); err != nil || len(args) == 0 {
				return err
			}
			opts.Name = args[0]
			return f.oneTenant(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDashboard(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	cmd.Flags().BoolVar(&opts.ReadOnly, "readonly", false, "show everything, change nothing")
	opts.flags(cmd)
	return cmd
}

func runDashboard(ctx context.Context, opts *dashboardOptions) error {
	f := opts.Factory
	in, isFile := f.Streams.In.(*os.File)
	out, isFileToo := f.Streams.Out.(*os.File)
	if !isFile || !isFileToo || !f.Streams.InTerminal || !f.Streams.OutTerminal || f.Streams.Dumb {
		return tenant.WithHint(&invalidUsage{"the dashboard needs a terminal that moves its cursor"}, "`tenantctl status` prints how the fleet stands, `tenantctl events --follow` what happens")
	}
	actions, err := f.newCommands()
	if err != nil {
		return err
	}
	source, err := opts.source(ctx, actions)
	if err != nil {
		return err
	}
	defer source.Close()
	start := ""
	if opts.Name != "" {
		start = "tenant " + opts.Name
	}
	// Whatever is told meanwhile would be written over the screen.
	errs := f.Streams.Err
	f.Streams.Err = io.Discard
	defer func() { f.Streams.Err = errs }()
	err = tui.Run(ctx, tui.Options{Source: source, Actions: actions, ReadOnly: opts.ReadOnly, Start: start},
		tui.Terminal{In: in, Out: out, NoColor: !f.Streams.Color, Environ: os.Environ()})
	f.Streams.Err = errs
	for _, t := range actions.Tasks() {
		if !t.Ended {
			f.Tell("%s goes on; its output is in %s", t.Request, t.Log)
		}
	}
	return err
}

// closingSource is a source that holds something open.
type closingSource interface {
	tui.Source
	Close()
}

// source is the operator that was named, else the control database. Of an operator's fleet actions have to find out whether they
// reach it.
func (o *dashboardOptions) source(ctx context.Context, actions *commands) (closingSource, error) {
	if o.Server == "" {
		source, err := o.Factory.dashboardSource()
		if err != nil {
			return nil, err
		}
		return source, o.Factory.wakeRecords(ctx)
	}
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	source := remote.Source{Client: client}
	actions.unable = (&reach{factory: o.Factory, from: source}).why
	return source, nil
}

// wakeRecords brings a local stack's server up that is down, which tells so: before there is a screen to tell it over.
func (f *Factory) wakeRecords(ctx context.Context) error {
	file, err := f.Config()
	if err != nil || !file.Control().Local {
		return err
	}
	_, err = f.existing(ctx)
	return err
}

func (f *Factory) dashboardSource() (*records.Source, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	transport, err := f.toServices()
	if err != nil {
		return nil, err
	}
	budget := file.Rollout().Budget
	return records.New(records.Options{
		Registry: func(ctx context.Context) (*registry.Registry, error) { return f.ExistingRegistry(ctx) },
		Declared: func() ([]tenant.Spec, error) {
			var specs []tenant.Spec
			for _, name := range file.Tenants() {
				spec, err := file.Tenant(name)
				if err != nil {
					return nil, err
				}
				specs = append(specs, spec)
			}
			return specs, nil
		},
		Budget: &budget, Size: f.sizeOf, Waiting: f.waitingOn, Broker: f.waitingAtBroker, LogsDir: f.logsDir, Platform: transport, Mask: f.mask,
	})
}

// sizeOf asks an instance what the tables of a tenant take, those of a lifted client's further schemas among them.
func (f *Factory) sizeOf(ctx context.Context, instance, schema string) (size tui.Size, err error) {
	dsn, err := f.InstanceDSN(ctx, instance)
	if err != nil {
		return size, err
	}
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "dashboard"})
	if err != nil {
		return size, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = conn.QueryRow(ctx, `
		select count(*), coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
		from pg_namespace as n join pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'm')
		where n.nspname = $1 or starts_with(n.nspname, $1 || '__')`, schema).Scan(&size.Tables, &size.Bytes)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return size, fmt.Errorf("size of schema %s: %w", schema, err)
	}
	return size, nil
}

// typed is a command line as a person would type it.
func typed(args []string) string { return "tenantctl " + strings.Join(args, " ") }
