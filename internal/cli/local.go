package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/local"
	"tenantctl/internal/tenant"
)

const localLong = `The local stack is a private PostgreSQL, and where something needs one a private RabbitMQ, on free ports of this machine: made from
installed programs, with all files in a state folder of its own. It stands in for what tenants.yaml doesn't give, and is started
by itself when it is first needed. There is one for each folder with a tenants.yaml.`

func newCmdLocal(f *Factory) *cobra.Command {
	return group("local", "Run a private PostgreSQL and RabbitMQ on this machine", localLong,
		newCmdLocalUp(f, nil), newCmdLocalDown(f, nil), newCmdLocalStatus(f, nil))
}

type localOptions struct {
	Factory  *Factory
	Broker   bool
	KeepData bool
	ShowDSN  bool
}

func newCmdLocalUp(f *Factory, runF func(context.Context, *localOptions) error) *cobra.Command {
	opts := &localOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "up",
		Short:   "Start the local stack",
		Long:    "Start the local stack and wait until it takes connections. What runs already is left as it is.\n\n" + localLong,
		Example: "  tenantctl local up\n  tenantctl local up --broker",
		Args:    noArgs,
		RunE:    localRun(opts, runF, runLocalUp),
	}
	cmd.Flags().BoolVar(&opts.Broker, "broker", false, "start RabbitMQ, too")
	opts.addShowDSN(cmd)
	return cmd
}

func newCmdLocalDown(f *Factory, runF func(context.Context, *localOptions) error) *cobra.Command {
	opts := &localOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the local stack and remove its data",
		Long: `Stop every process of the local stack and remove all of its files, the data of its databases included. With --keep-data the files
stay, and the next start goes on with them.`,
		Example: "  tenantctl local down\n  tenantctl local down --keep-data",
		Args:    noArgs,
		RunE:    localRun(opts, runF, runLocalDown),
	}
	cmd.Flags().BoolVar(&opts.KeepData, "keep-data", false, "stop the servers and keep their data")
	return cmd
}

func newCmdLocalStatus(f *Factory, runF func(context.Context, *localOptions) error) *cobra.Command {
	opts := &localOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show what of the local stack runs, and where",
		Long:    "Show each server of the local stack: whether it runs, its address, folder and log. Starts nothing.",
		Example: "  tenantctl local status\n  psql \"$(tenantctl local status --show-dsn)\"",
		Args:    noArgs,
		RunE:    localRun(opts, runF, runLocalStatus),
	}
	opts.addShowDSN(cmd)
	return cmd
}

func (o *localOptions) addShowDSN(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.ShowDSN, "show-dsn", false, "print nothing but the superuser's connection string, with its password, for your own scripts")
}

func localRun(opts *localOptions, runF, run func(context.Context, *localOptions) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if runF != nil {
			return runF(cmd.Context(), opts)
		}
		return run(cmd.Context(), opts)
	}
}

func runLocalUp(ctx context.Context, opts *localOptions) error {
	f := opts.Factory
	dir, err := f.StackDir()
	if err != nil {
		return err
	}
	parts := local.PartPostgres
	if opts.Broker {
		parts |= local.PartBroker
	}
	f.Tell("starting under %s", dir)
	stack, err := local.Up(ctx, local.Options{Dir: dir, Parts: parts})
	if err != nil {
		return err
	}
	if err := createDatabase(ctx, stack.Postgres.DSN("postgres"), localDatabase); err != nil {
		return err
	}
	return opts.print(ctx, stack)
}

func runLocalDown(ctx context.Context, opts *localOptions) error {
	f := opts.Factory
	dir, err := f.StackDir()
	if err != nil {
		return err
	}
	data := local.RemoveData
	if opts.KeepData {
		data = local.KeepData
	}
	if err := sweepScratches(ctx, dir, data); err != nil {
		return err
	}
	err = local.Down(ctx, dir, data)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		f.Tell("there is no local stack in %s", dir)
		return nil
	case err != nil:
		return err
	case opts.KeepData:
		f.Tell("stopped; the data stay in %s", dir)
	default:
		f.Tell("stopped, and removed %s", dir)
	}
	return nil
}

func runLocalStatus(ctx context.Context, opts *localOptions) error {
	f := opts.Factory
	dir, err := f.StackDir()
	if err != nil {
		return err
	}
	stack, err := local.Find(dir)
	if errors.Is(err, tenant.ErrNotFound) && !opts.ShowDSN {
		f.Tell("there is no local stack in %s; `tenantctl local up` starts one", dir)
		return printParts(f.Printer(), nil)
	}
	if err != nil {
		return err
	}
	return opts.print(ctx, stack)
}

func (o *localOptions) print(ctx context.Context, stack *local.Stack) error {
	p := o.Factory.Printer()
	if !o.ShowDSN {
		return printParts(p, stack.Status(ctx))
	}
	if stack.Postgres == nil || stack.Postgres.PID() == 0 {
		return tenant.WithHint(fmt.Errorf("the private PostgreSQL doesn't run: %w", tenant.ErrNotFound), "start it: `tenantctl local up`")
	}
	_, err := fmt.Fprintln(p.Out, stack.Postgres.DSN(localDatabase))
	return err
}

func printParts(p output.Printer, parts []local.PartStatus) error {
	names := []string{}
	for _, part := range parts {
		names = append(names, "part/"+part.Part)
	}
	return p.List("LocalPartList", parts, output.View{Names: names, Table: func(w io.Writer) error {
		if len(parts) == 0 {
			return nil
		}
		grid := output.NewGrid("PART", "STATE", "ADDRESS", ">PID", "LOG").
			Style(string(local.StateRunning), terminal.Green).Style(string(local.StateUnreachable), terminal.Red)
		for _, part := range parts {
			pid := ""
			if part.PID != 0 {
				pid = fmt.Sprint(part.PID)
			}
			grid.Row(part.Part, string(part.State), part.Address, pid, part.Log)
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}
