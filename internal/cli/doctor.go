package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/look"
)

type doctorOptions struct {
	Factory *Factory
}

func newCmdDoctor(f *Factory, runF func(context.Context, *doctorOptions) error) *cobra.Command {
	opts := &doctorOptions{Factory: f}
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check servers, privileges and programs",
		Long: `Check everything that tenantctl needs on this machine and elsewhere: every server that tenants.yaml names, the privileges there,
PostgreSQL's client programs, the broker, the disk. Each line that isn't ok says what to do. Ends with 1 when something fails;
what only warns can wait. Nothing is changed or started. Legacy databases whose variables aren't set are left out.`,
		Example: "  tenantctl doctor\n  tenantctl doctor -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDoctor(cmd.Context(), opts)
		},
	}
}

// The results of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
	checkSkip = "skip"
)

// check is one thing that was looked at.
type check struct {
	Subject string `json:"subject"` // what was looked at: "instance shared-1"
	Result  string `json:"result"`  // ok, warn, fail, skip
	Found   string `json:"found"`
	Do      string `json:"do,omitempty"` // what to do about it
}

// checkup is what doctor prints.
type checkup struct {
	OK     bool    `json:"ok"`
	Checks []check `json:"checks"`
}

// parallelChecks bounds the servers that are asked at once.
const parallelChecks = 8

func runDoctor(ctx context.Context, opts *doctorOptions) error {
	f := opts.Factory
	file, err := f.Config()
	if err != nil {
		return err
	}
	d := &doctor{factory: f, file: file}
	looks := d.looks()
	found := make([][]check, len(looks))
	var group errgroup.Group
	group.SetLimit(parallelChecks)
	for i, look := range looks {
		group.Go(func() error {
			found[i] = look(ctx)
			return nil
		})
	}
	_ = group.Wait() // what fails is a check
	if err := ctx.Err(); err != nil {
		return err
	}
	report := checkup{Checks: slices.Concat(found...)}
	failed := report.count(checkFail)
	report.OK = failed == 0
	if err := f.printCheckup(report); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(report.Checks))
	}
	return nil
}

func (c checkup) count(result string) int {
	n := 0
	for _, check := range c.Checks {
		if check.Result == result {
			n++
		}
	}
	return n
}

func (f *Factory) printCheckup(report checkup) error {
	for i := range report.Checks {
		report.Checks[i].Found, report.Checks[i].Do = f.mask(report.Checks[i].Found), f.mask(report.Checks[i].Do)
	}
	p := f.Printer()
	return p.One("Checkup", report, output.View{Table: func(w io.Writer) error {
		grid := output.NewGrid("RESULT", "WHAT", "FOUND").Style(checkOK, terminal.Green).Style(checkWarn, terminal.Yellow).
			Style(checkFail, terminal.Red).Style(checkSkip, terminal.Dim)
		for _, c := range report.Checks {
			grid.Row(c.Result, c.Subject, c.Found)
			if c.Do != "" {
				grid.Note("", "", "-> "+c.Do)
			}
		}
		if err := grid.Write(w, 0, p.Color); err != nil { // what to do is never cut
			return err
		}
		_, err := fmt.Fprintf(w, "\n%d ok, %d to look at, %d failed\n", report.count(checkOK), report.count(checkWarn), report.count(checkFail))
		return err
	}})
}

// doctor looks at everything that the file names.
type doctor struct {
	factory *Factory
	file    *config.File
}

// looks are the checks, in the order in which they are shown. Each may ask a server.
func (d *doctor) looks() []func(context.Context) []check {
	looks := []func(context.Context) []check{d.declared, d.programs, d.control}
	for _, instance := range d.file.Instances() {
		looks = append(looks, func(ctx context.Context) []check { return d.instance(ctx, instance) })
	}
	var unset []string
	for _, name := range d.file.Tenants() {
		dsn, err := d.file.LegacyDSN(name)
		if err != nil {
			continue // has none
		}
		if missing := d.factory.missing(dsn); len(missing) > 0 {
			unset = append(unset, missing...)
			continue
		}
		looks = append(looks, func(ctx context.Context) []check { return d.legacy(ctx, name, dsn) })
	}
	return append(looks, func(context.Context) []check { return unsetLegacy(unset) }, d.broker, d.disk)
}

// declared tells of the file itself, which was read without a problem.
func (d *doctor) declared(context.Context) []check {
	problems := namedFiles(d.file, d.factory.Warn)
	if len(problems) == 0 {
		return []check{{Subject: "tenants.yaml", Result: checkOK, Found: fmt.Sprintf("%s: %s", d.file.Name(), look.Plural(int64(len(d.file.Tenants())), "tenant", "tenants"))}}
	}
	return []check{{Subject: "tenants.yaml", Result: checkFail, Found: problems[0].Error(), Do: "`tenantctl validate` lists every problem"}}
}

func unsetLegacy(variables []string) []check {
	if len(variables) == 0 {
		return []check{}
	}
	return []check{{Subject: "legacy", Result: checkSkip, Found: "not set, so not looked at: " + listed(variables)}}
}
