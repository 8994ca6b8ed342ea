package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
)

func newCmdConfig(f *Factory) *cobra.Command {
	return group("config", "See which settings hold", `See which settings hold: what flags, variables, tenants.yaml and defaults come to.`, newCmdConfigView(f, nil))
}

type configViewOptions struct {
	Factory    *Factory
	ShowOrigin bool
}

func newCmdConfigView(f *Factory, runF func(context.Context, *configViewOptions) error) *cobra.Command {
	opts := &configViewOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Print every setting that holds, and where it came from",
		Long: `Print every setting that holds: the program's own, and what tenants.yaml comes to with defaults filled in. A flag wins over a
TENANTCTL_* variable, that over tenants.yaml, and that over the default. Secrets show as the references that the file has.`,
		Example: "  tenantctl config view\n  tenantctl config view --show-origin\n  tenantctl config view -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runConfigView(opts)
		},
	}
	cmd.Flags().BoolVar(&opts.ShowOrigin, "show-origin", false, "show the flag, variable or line that each value came from")
	return cmd
}

// runConfigView works without a file, too: then the program's own settings are all there is.
func runConfigView(opts *configViewOptions) error {
	f := opts.Factory
	file, err := f.Config()
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	if err != nil {
		f.Warn("%s", err)
		file = nil
	}
	settings, err := config.Effective(file, f.layers())
	if err != nil {
		return err
	}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = "setting/" + s.Path
	}
	p := f.Printer()
	return p.List("SettingList", settings, output.View{Names: names, Table: func(w io.Writer) error {
		grid := output.NewGrid("SETTING", "VALUE")
		if opts.ShowOrigin {
			grid = output.NewGrid("SETTING", "VALUE", "ORIGIN")
		}
		for _, s := range settings {
			grid.Row(s.Path, s.Value, s.Origin)
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}
