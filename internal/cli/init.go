package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/config"
	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/tenant"
)

type initOptions struct {
	Factory *Factory
	File    string
	Ask     bool

	Instance string
	Clients  []string // with a legacy database
	New      []string // without
	Services []string
	Force    bool
	Given    map[string]bool // flags that need no question
}

func newCmdInit(f *Factory, runF func(context.Context, *initOptions) error) *cobra.Command {
	opts := &initOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a first tenants.yaml",
		Long: `Write a first tenants.yaml, with comments that explain it. On a terminal it asks what it doesn't know from flags; elsewhere, or
with --no-input, the flags and good defaults decide.

Without --instance nothing needs to be installed elsewhere: a private PostgreSQL is started on this machine when it is first
needed. Passwords never stand in the file: it names variables such as CLIENT_X_DSN, which you set.`,
		Example: `  tenantctl init
  tenantctl init --no-input --tenant client-x --tenant client-y
  tenantctl init --instance shared-1 --services none`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.Settings()
			if err != nil {
				return err
			}
			opts.File, opts.Ask = s.File, f.Streams.CanAsk() && !s.NoInput && !s.Yes
			opts.Given = map[string]bool{}
			for _, name := range []string{"instance", "tenant", "new-tenant", "services"} {
				opts.Given[name] = cmd.Flags().Changed(name)
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runInit(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Instance, "instance", "", "name of your shared PostgreSQL instance, such as shared-1 (default: a private one on this machine)")
	flags.StringSliceVar(&opts.Clients, "tenant", nil, "client with a legacy database to be moved; may be repeated")
	flags.StringSliceVar(&opts.New, "new-tenant", nil, "client that begins on the platform, without a legacy database; may be repeated")
	flags.StringSliceVar(&opts.Services, "services", []string{users.Service, auth.Service, core.Service}, "builtin services whose tables every tenant gets; none for lifts only")
	flags.BoolVar(&opts.Force, "force", false, "overwrite the file that is there")
	return cmd
}

func runInit(ctx context.Context, opts *initOptions) error {
	if err := opts.refuseOverwriting(); err != nil {
		return err
	}
	if opts.Ask {
		if err := opts.ask(ctx); err != nil {
			return err
		}
	}
	starter, err := opts.starter()
	if err != nil {
		return err
	}
	text, err := config.Starter(starter)
	if err != nil {
		return err
	}
	if err := writeFile(opts.File, text); err != nil {
		return err
	}
	opts.tellNext(starter)
	return nil
}

func (o *initOptions) refuseOverwriting() error {
	info, err := os.Stat(o.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for %s: %w", o.File, err)
	case info.IsDir():
		return tenant.WithHint(fmt.Errorf("%s is a folder: %w", o.File, tenant.ErrConflict), "name a file in it: tenantctl init --file "+filepath.Join(o.File, "tenants.yaml"))
	case !o.Force:
		return tenant.WithHint(fmt.Errorf("%s is there already, nothing was written: %w", o.File, tenant.ErrConflict),
			"edit it, or overwrite it with `tenantctl init --force`")
	}
	return nil
}

// ask puts the questions that no flag has answered.
func (o *initOptions) ask(ctx context.Context) error {
	streams := o.Factory.Streams
	questions := []struct {
		flags    []string
		question string
		fallback string
		take     func(answer string)
	}{
		{
			[]string{"instance"},
			"Name of your shared PostgreSQL instance, such as shared-1 (empty: a private one on this machine)", "",
			func(a string) { o.Instance = a },
		},
		{
			[]string{"tenant", "new-tenant"},
			"Clients to move here, as short names such as client-x client-y (may be empty)", "",
			func(a string) { o.Clients = words(a) },
		},
		{
			[]string{"services"},
			"Builtin services whose tables every tenant gets (none: legacy databases are moved as they are)", strings.Join(o.Services, " "),
			func(a string) { o.Services = words(a) },
		},
	}
	for _, q := range questions {
		answered := false
		for _, flag := range q.flags {
			answered = answered || o.Given[flag]
		}
		if answered {
			continue
		}
		answer, err := streams.Ask(ctx, q.question, q.fallback)
		if err != nil {
			return err
		}
		q.take(answer)
	}
	return nil
}

// words splits an answer at spaces and commas.
func words(answer string) []string {
	return strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
}

// starter checks the answers; a name may be given once.
func (o *initOptions) starter() (config.StarterOptions, error) {
	starter := config.StarterOptions{Instance: o.Instance, Services: o.Services}
	if len(o.Services) == 1 && o.Services[0] == "none" {
		starter.Services = nil
	}
	for _, service := range starter.Services {
		if _, err := builtinStream(service); err != nil {
			return starter, err
		}
	}
	for _, name := range o.Clients {
		if _, err := tenant.ParseName(name); err != nil {
			return starter, err
		}
		starter.Tenants = append(starter.Tenants, config.StarterTenant{Name: name, LegacyVariable: legacyVariable(name)})
	}
	for _, name := range o.New {
		starter.Tenants = append(starter.Tenants, config.StarterTenant{Name: name})
	}
	return starter, nil
}

// legacyVariable names the variable with a client's connection string: CLIENT_X_DSN. A variable can't begin with a digit.
func legacyVariable(name string) string {
	variable := strings.ToUpper(tenant.Name(name).Ident()) + "_DSN"
	if variable[0] >= '0' && variable[0] <= '9' {
		variable = "TENANT_" + variable
	}
	return variable
}

// writeFile puts the whole file in place or none of it.
func writeFile(path string, text []byte) error {
	partial, err := os.CreateTemp(filepath.Dir(path), ".tenantctl-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(partial.Name()) }() // gone already when all went well
	_, err = partial.Write(text)
	if err = errors.Join(err, partial.Chmod(0o644), partial.Close()); err == nil { //nolint:gosec // for others to read: it holds no secret
		err = os.Rename(partial.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (o *initOptions) tellNext(starter config.StarterOptions) {
	f := o.Factory
	f.Tell("wrote %s", o.File)
	step := func(format string, args ...any) { f.Tell("next: "+format, args...) }
	if starter.Instance != "" {
		file, err := config.Load(o.File)
		if err == nil {
			step("export %s='postgres://user:password@host:5432/database'", strings.Join(file.Instances()[0].DSN.Variables(), " "))
		}
	}
	if len(starter.Tenants) == 0 {
		step("add your clients to %s under tenants:", o.File)
		return
	}
	for _, t := range starter.Tenants {
		if t.LegacyVariable != "" {
			step("export %s='postgres://user:password@host:5432/database'   # the legacy database of %s", t.LegacyVariable, t.Name)
		}
	}
	step("`tenantctl doctor` checks servers and programs, then `tenantctl plan` shows what %s would make", o.File)
}
