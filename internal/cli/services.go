package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/look"
)

type servicesOptions struct{ Factory *Factory }

func newCmdServices(f *Factory, runF func(context.Context, *servicesOptions) error) *cobra.Command {
	opts := &servicesOptions{Factory: f}
	return &cobra.Command{
		Use:   "services",
		Short: "Show what runs of the platform",
		Long: `Show the services that run, as each says of itself every few seconds: where it answers, its build, the schema versions that it
works with, and which services it calls. A service that wasn't heard of for 10 seconds isn't shown.

It asks the control database only.`,
		Example: "  tenantctl services\n  tenantctl services -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runServices(cmd.Context(), opts)
		},
	}
}

func runServices(ctx context.Context, opts *servicesOptions) error {
	f := opts.Factory
	records, err := f.ExistingRegistry(ctx)
	if err != nil {
		return err
	}
	running, err := records.Running(ctx)
	if err != nil {
		return err
	}
	if len(running) == 0 {
		f.Tell("nothing of the platform runs; `tenantctl serve all` starts it")
	}
	names := make([]string, len(running))
	for i, s := range running {
		names[i] = "service/" + s.Service + "/" + s.ID
	}
	p := f.Printer()
	return p.List("ServiceList", running, output.View{Names: names, Table: func(w io.Writer) error {
		grid := output.NewGrid("SERVICE", "ADDRESS", "BUILD", "SERVES", "CALLS", "SINCE", "SEEN")
		for _, s := range running {
			grid.Row(s.Service, s.URL, s.Build, s.ServesText(), strings.Join(s.Calls, ", "), look.Age(f.now().Sub(s.Started))+" ago", look.Age(f.now().Sub(s.Seen))+" ago")
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}
