package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/config"
	"tenantctl/internal/lint"
	"tenantctl/internal/lint/report"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// The forms of lint's output beside those of --output.
const (
	formatHuman  = "human"
	formatGitHub = "github"
	formatJUnit  = "junit"
	formatSARIF  = "sarif"
)

// The severities of --fail-on.
const failNever = "never"

// allInstances stands for --database without a name.
const allInstances = "*"

type lintOptions struct {
	Factory  *Factory
	Services []string
	Dir      string
	Since    uint64
	Pending  bool
	Database string // name of an instance, allInstances, or "" for none
	Format   string
	FailOn   string
}

func newCmdLint(f *Factory, runF func(context.Context, *lintOptions) error) *cobra.Command {
	opts := &lintOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "lint [SERVICE...]",
		Short: "Find migration files that are unsafe to run on many tenants",
		Long: `Read the migration files of the declared services, or of a folder, with PostgreSQL's own grammar, and say what would stop
clients, lose data, fail, or reach other tenants: the file and line, why, and how it is done safely. docs/lint.md explains each
rule with an example.

A comment before a statement lets a finding be; it needs a reason, and it is said when it lets nothing be:

  -- lint:ignore R1,R7 the table has a hundred rows in the largest tenant
  -- lint:ignore-file R32 the client's own tables, as they were

How much a lock matters depends on the size of the table. With --database the sizes are read from the tenants' schemas: what is
small in every tenant is a warning at most, what is large in one is an error. It also says where files were edited after a
tenant had them.`,
		Example: `  tenantctl lint
  tenantctl lint billing --pending --database
  tenantctl lint --dir migrations/billing --since 12
  tenantctl lint --format sarif > lint.sarif`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Services = args
			if err := opts.check(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runLint(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeService,
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Dir, "dir", "", "lint this `folder`, without a tenants.yaml")
	flags.Uint64Var(&opts.Since, "since", 0, "only files of versions above this `version`")
	flags.BoolVar(&opts.Pending, "pending", false, "only files that some tenant doesn't have yet; reads the tenants' versions")
	flags.StringVar(&opts.Database, "database", "", "weigh locks by the sizes of tables in the tenants' schemas: on one `instance`, or on all")
	flags.Lookup("database").NoOptDefVal = allInstances
	flags.StringVar(&opts.Format, "format", formatHuman, "form of what is found: human, github, junit or sarif; --output has table, json, yaml and name")
	flags.StringVar(&opts.FailOn, "fail-on", string(lint.Error), "end with 1 from this severity on: error, warning, info or never")
	return cmd
}

// completeService completes the names of the declared services.
func (f *Factory) completeService(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := f.Config()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, s := range file.Streams() {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (o *lintOptions) check(cmd *cobra.Command) error {
	formats, severities := []string{formatHuman, formatGitHub, formatJUnit, formatSARIF}, []string{failNever}
	for _, s := range lint.Severities() {
		severities = append(severities, string(s))
	}
	settings, err := o.Factory.Settings()
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(formats, o.Format):
		return usageError(cmd, "", "--format: unknown value %q; it can be %s", o.Format, strings.Join(formats, ", "))
	case !slices.Contains(severities, o.FailOn):
		return usageError(cmd, "", "--fail-on: unknown value %q; it can be %s", o.FailOn, strings.Join(severities, ", "))
	case o.Format != formatHuman && settings.Output != output.Table:
		return usageError(cmd, "give one of them", "--format %s and --output %s are two forms of one output", o.Format, settings.Output)
	case o.Dir != "" && (len(o.Services) > 0 || o.Pending || o.Database != ""):
		return usageError(cmd, "", "--dir stands for a folder without tenants.yaml: it goes with no service, --pending or --database")
	case o.Since > 0 && o.Pending:
		return usageError(cmd, "", "--since and --pending both say which files: give one of them")
	}
	return nil
}

func runLint(ctx context.Context, opts *lintOptions) error {
	f := opts.Factory
	inputs, tenants, err := opts.inputs()
	if err != nil {
		return err
	}
	var fleet *lintFleet
	if opts.Pending || opts.Database != "" {
		if fleet, err = f.lintFleet(ctx, opts.Database); err != nil {
			return err
		}
		if err := fleet.stand(ctx, inputs, opts.Pending); err != nil {
			return err
		}
	}
	parser := lint.NewParser(f.cacheDir("parser-2")) // the first kept a map that takes half a second to read
	f.onClose(func(ctx context.Context) { _ = parser.Close(ctx) })
	found, err := lint.Run(ctx, lint.Options{Inputs: inputs, Tenants: tenants, Parser: parser})
	if err != nil {
		return err
	}
	if opts.Database != "" {
		if err := fleet.weigh(ctx, found); err != nil {
			return err
		}
	}
	if err := opts.write(found); err != nil {
		return err
	}
	return opts.verdict(found)
}

// verdict is an error where something is as grave as --fail-on.
func (o *lintOptions) verdict(found *lint.Report) error {
	if o.FailOn == failNever || !found.Failed(lint.Severity(o.FailOn)) {
		return nil
	}
	settings, err := o.Factory.Settings()
	if err != nil {
		return err
	}
	failed := fmt.Errorf("lint: %s", report.Counts(found))
	if o.Format != formatHuman || settings.Output != output.Table {
		return silent(failed)
	}
	return tenant.WithHint(failed, "mend the files, or say why it may be: `-- lint:ignore RULE reason` before the statement; docs/lint.md explains each rule")
}

// inputs reads the files, and counts the tenants that they are for.
func (o *lintOptions) inputs() ([]lint.Input, int, error) {
	if o.Dir != "" {
		abs, err := filepath.Abs(o.Dir)
		if err != nil {
			return nil, 0, fmt.Errorf("find folder %s: %w", o.Dir, err)
		}
		in := lint.Input{Service: filepath.Base(abs), Dir: shownDir(o.Dir), Since: o.Since}
		in.Stream, in.Fault = stream.Read(in.Service, os.DirFS(o.Dir))
		if in.Fault != nil && !errors.Is(in.Fault, tenant.ErrInvalid) {
			return nil, 0, in.Fault
		}
		return []lint.Input{in}, 0, nil
	}
	file, err := o.Factory.Config()
	if err != nil {
		return nil, 0, err
	}
	declared, err := pickStreams(file, o.Services)
	if err != nil {
		return nil, 0, err
	}
	inputs := make([]lint.Input, 0, len(declared))
	for _, d := range declared {
		in := lint.Input{Service: d.Name, Dir: "builtin/" + d.Name, Since: o.Since}
		if !d.Builtin {
			in.Dir = shownDir(d.Dir)
		}
		in.Stream, in.Fault = readStream(d)
		if in.Fault != nil && (d.Builtin || !errors.Is(in.Fault, tenant.ErrInvalid)) {
			return nil, 0, in.Fault
		}
		inputs = append(inputs, in)
	}
	return inputs, len(file.Tenants()), nil
}

// pickStreams finds the services asked for; all where none is.
func pickStreams(file *config.File, names []string) ([]config.Stream, error) {
	all := file.Streams()
	if len(names) == 0 {
		if len(all) == 0 {
			return nil, tenant.WithHint(&invalidUsage{file.Name() + " declares no services"}, "name a folder: `tenantctl lint --dir migrations`")
		}
		return all, nil
	}
	var known []string
	for _, s := range all {
		known = append(known, s.Name)
	}
	var picked []config.Stream
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			message := fmt.Sprintf("no service is called %q in %s", name, file.Name())
			if near := nearest(name, known); near != "" {
				message += fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, tenant.WithHint(&invalidUsage{message}, "it declares "+listed(known))
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

// shownDir is a folder as seen from where the command runs, which is what CI wants of paths.
func shownDir(dir string) string {
	here, err := os.Getwd()
	if err != nil || !filepath.IsAbs(dir) {
		return filepath.ToSlash(filepath.Clean(dir))
	}
	if rel, err := filepath.Rel(here, dir); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(dir)
}

// write writes what was found in the form asked for.
func (o *lintOptions) write(found *lint.Report) error {
	f := o.Factory
	switch o.Format {
	case formatSARIF:
		return report.SARIF(f.Streams.Out, found)
	case formatJUnit:
		failAt := lint.Severity(o.FailOn)
		if o.FailOn == failNever {
			failAt = ""
		}
		return report.JUnit(f.Streams.Out, found, failAt)
	case formatGitHub:
		if err := report.GitHub(f.Streams.Out, found); err != nil {
			return err
		}
		f.Tell("%s", report.Counts(found))
		return o.summarize(found)
	}
	p := f.Printer()
	return p.One("LintReport", found, output.View{Names: lintNames(found), Table: func(w io.Writer) error { return writeLint(w, p, found) }})
}

// summarize adds to the summary of a GitHub step, where there is one.
func (o *lintOptions) summarize(found *lint.Report) error {
	path, given := o.Factory.env("GITHUB_STEP_SUMMARY")
	if !given || path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // the runner's file, which it reads
	if err != nil {
		return fmt.Errorf("write the step's summary: %w", err)
	}
	return errors.Join(report.Summary(file, found), file.Close())
}

// lintNames are the files in which something was found.
func lintNames(found *lint.Report) []string {
	names := []string{}
	for _, service := range found.Services {
		for _, file := range service.Files {
			if len(file.Findings) > 0 {
				names = append(names, "file/"+file.Path)
			}
		}
	}
	return names
}

// cacheDir is a folder for what can be made again; "" where the user has none.
func (f *Factory) cacheDir(name string) string {
	if dir, _ := f.env("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tenantctl", name)
	}
	if home, _ := f.env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "tenantctl", name)
	}
	return ""
}
