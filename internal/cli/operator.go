package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/config"
	"tenantctl/internal/operator"
	"tenantctl/internal/operator/api"
	"tenantctl/internal/registry"
	"tenantctl/internal/telemetry/logs"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui/remote"
)

type operatorOptions struct {
	Factory      *Factory
	Workers      int
	Moves        int
	Resync       time.Duration
	Heal         time.Duration
	RemovalShare int
	DiffersAfter time.Duration
	Archives     string
	Listen       string
	TokenFile    string
	Webhooks     []string
	SecretFile   string
}

func newCmdOperator(f *Factory, runF func(context.Context, *operatorOptions) error) *cobra.Command {
	opts := &operatorOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Keep the fleet as tenants.yaml declares it, until interrupted",
		Long: `Keep the fleet as tenants.yaml declares it, until interrupted: watch the file and make it so. Tenants are made, changed, suspended,
resumed and archived as plan and apply would; what somebody changed on an instance by hand is put back where tenantctl made it; new
versions go out ring by ring as upgrade would; legacy databases are moved where ` + "`move:`" + ` asks for it, no further than it says and
within its window. With mode auto that is an offline move, which stops the client's writes without asking: to declare it is to agree.

It never deletes a tenant unless it is declared ` + "`state: deleted`, `deletion: { confirm: NAME }`" + ` says so once more, and the
retention is over. What is set by hand (suspend, rollback, pause) stays until it is lifted. What fails is tried again; what can't
work isn't, until its declaration changes.

Several operators may run on the same control database: one leads, all work, and another goes on where one dies. A file that can't
be read leaves the one before in force. A change that takes many tenants out of service waits until it is accepted.

Events go to RabbitMQ where tenants.yaml has a broker (exchange tenantctl.fleet, by their type), and to webhooks, as CloudEvents.`,
		Example: `  tenantctl operator
  tenantctl operator --workers 8 --removal-share 5
  tenantctl operator --listen :8090 --token-file /run/secrets/operator-token --archives /var/lib/tenantctl/archives
  tenantctl operator status
  tenantctl operator accept 3f9a61c02b7d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			return opts.check(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runOperator(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&opts.Workers, "workers", defaultParallel, "tenants that this replica works on at once")
	flags.IntVar(&opts.Moves, "moves", 1, "legacy databases that this replica moves at once")
	flags.DurationVar(&opts.Resync, "resync", 30*time.Second, "how often declarations and records are compared although nothing happened")
	flags.DurationVar(&opts.Heal, "heal", 10*time.Minute, "how often it looks at the instances for what was changed there by hand")
	flags.IntVar(&opts.RemovalShare, "removal-share", 10, "percent of the fleet: a change that takes more tenants than that out of service, and at least 2, waits to be accepted")
	flags.DurationVar(&opts.DiffersAfter, "differs-after", time.Minute, "how long this replica's file may differ from the others' before that is told")
	flags.StringVar(&opts.Archives, "archives", "", "folder for the dumps of tenants that are archived or removed, the same for all replicas (default: .tenantctl/archives beside tenants.yaml)")
	flags.StringVar(&opts.Listen, "listen", "", "address of /healthz, /readyz, /metrics and the status API (default: none)")
	flags.StringVar(&opts.TokenFile, "token-file", "", "file with the token, of 16 characters at least, that callers of the status API need; without it the API answers nobody")
	flags.StringArrayVar(&opts.Webhooks, "webhook", nil, "post every event to this address, as a signed CloudEvent; may be given several times")
	flags.StringVar(&opts.SecretFile, "webhook-secret-file", "", "file with the secret that webhooks are signed with")
	cmd.AddCommand(newCmdOperatorStatus(f, nil), newCmdOperatorAccept(f, nil))
	return cmd
}

func (o *operatorOptions) check(cmd *cobra.Command) error {
	switch {
	case o.Workers < 1 || o.Moves < 1:
		return usageError(cmd, "", "--workers and --moves: at least 1")
	case o.Resync <= 0 || o.Heal <= 0 || o.DiffersAfter <= 0:
		return usageError(cmd, "", "--resync, --heal and --differs-after must be more than 0")
	case o.RemovalShare < 0 || o.RemovalShare > 100:
		return usageError(cmd, "", "--removal-share: 0 to 100 percent, got %d", o.RemovalShare)
	case (len(o.Webhooks) > 0) != (o.SecretFile != ""):
		return usageError(cmd, "", "--webhook and --webhook-secret-file go together")
	case o.TokenFile != "" && o.Listen == "":
		return usageError(cmd, "for example --listen 127.0.0.1:8090", "--token-file goes with --listen")
	}
	return nil
}

func runOperator(ctx context.Context, opts *operatorOptions) error {
	f := opts.Factory
	settings, err := f.Settings()
	if err != nil {
		return err
	}
	file, err := f.Config()
	if err != nil {
		return err
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	control, err := f.ControlDSN(ctx)
	if err != nil {
		return err
	}
	log := f.serviceLog("operator").With(logs.KeyService, operatorService)
	clock := &operator.Clock{}
	sinks, err := opts.sinks(clock, log)
	if err != nil {
		return err
	}
	collected, err := f.collect(ctx, file.Platform(), log)
	if err != nil {
		return err
	}
	o, err := operator.New(ctx, operator.Options{
		Records: records, Control: control, File: settings.File,
		Load: func() (*config.File, error) {
			file, err := config.Load(settings.File)
			if err != nil {
				return nil, err
			}
			return file.With(f.layers()), nil
		},
		Open:    f.workshop(records, provisionerOptions{Parallel: opts.Workers, ArchiveDir: opts.Archives}),
		Workers: opts.Workers, Moves: opts.Moves, Resync: opts.Resync, Heal: opts.Heal, RemovalShare: opts.RemovalShare,
		DiffersAfter: opts.DiffersAfter, Sinks: sinks, Clock: clock, Actor: asOperator + f.actor(), Log: log, Trace: collected.Tracer(operatorService),
	})
	if err != nil {
		return err
	}
	f.Tell("operator %s keeps %s true; `tenantctl operator status` shows how it goes, Ctrl-C ends it", o.ID()[:8], settings.File)
	running, stop := untilDrained(ctx, f.signals.draining())
	defer stop()
	group, running := errgroup.WithContext(running)
	if opts.Listen != "" {
		answer, err := opts.api(running, o, records, log)
		if err != nil {
			return err
		}
		group.Go(answer)
	}
	group.Go(func() error { return o.Run(running) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	return silent(ctx.Err())
}

// api opens the address of the status API and gives what answers there.
func (o *operatorOptions) api(ctx context.Context, op *operator.Operator, records *registry.Registry, log *slog.Logger) (func() error, error) {
	shown := &operatorView{f: o.Factory, operator: op, records: records}
	o.Factory.onClose(shown.close)
	s, err := api.New(ctx, api.Options{
		Build: thisBuild().Version, Operator: op, Records: records, TokenFile: o.TokenFile, Dashboard: remote.Handlers(shown.source),
		Log: operator.AtLeast(log, slog.LevelWarn), // a dashboard asks several times a second
	})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, tenant.WithHint(fmt.Errorf("listen at %s: %w", o.Listen, err), "give another address with --listen")
	}
	o.Factory.Tell("status API at http://%s", reachable(listener.Addr()))
	return func() error { return s.Serve(ctx, listener) }, nil
}

// untilDrained is a context that ends when the first signal arrives.
func untilDrained(ctx context.Context, drain <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-drain:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
