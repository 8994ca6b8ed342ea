package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type verifyOptions struct {
	Factory   *Factory
	Selection selection
	Source    bool
	Jobs      int
}

func newCmdVerify(f *Factory, runF func(context.Context, *verifyOptions) error) *cobra.Command {
	opts := &verifyOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Show the proof of a move, or compare both sides again",
		Long: `Show the proof that a move kept: for every table how many rows were sent and read back, and whether their hashes are equal. With
--source both sides are read again now, the legacy database included, and compared; rows that the platform wrote since the
move are differences then. Nothing is changed. Of several tenants there is a line for each; those that were never moved are
left out where they aren't named.`,
		Example: "  tenantctl verify client-x\n  tenantctl verify client-x --source -o json\n  tenantctl verify --all",
		Args:    opts.Selection.some(f, true),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Jobs < 1 {
				return usageError(cmd, "", "--jobs: at least 1, got %d", opts.Jobs)
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runVerify(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	cmd.Flags().BoolVar(&opts.Source, "source", false, "read both sides again and compare them")
	cmd.Flags().IntVar(&opts.Jobs, "jobs", defaultJobs, "tables read at once")
	return cmd
}

func runVerify(ctx context.Context, opts *verifyOptions) error {
	f := opts.Factory
	fleet, err := f.fleet(ctx, &opts.Selection)
	if err != nil {
		return err
	}
	records, err := f.existing(ctx)
	if err != nil {
		return err
	}
	if len(opts.Selection.Names) == 1 {
		report, err := opts.proof(ctx, records, fleet[0].Name)
		if err != nil {
			return err
		}
		when := "as the move found it"
		if opts.Source {
			when = "as both sides are now"
		}
		return errors.Join(f.printProof(report, when), differs(report))
	}
	return opts.several(ctx, records, fleet)
}

// proof is the one that the move kept, or with --source a new one.
func (o *verifyOptions) proof(ctx context.Context, records *registry.Registry, name tenant.Name) (*migrate.Report, error) {
	if records == nil {
		return nil, notMoved(name)
	}
	last, err := records.LastOperation(ctx, name, migrate.Kind)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, notMoved(name)
	}
	if err != nil {
		return nil, err
	}
	if o.Source {
		return o.again(ctx, name)
	}
	report, err := migrate.LastReport(ctx, records, last.ID)
	if err != nil {
		return nil, err
	}
	if report == nil {
		return nil, tenant.WithHint(fmt.Errorf("the move of %s hasn't come to its proof, it stands at `%s`: %w", name, last.Phase, tenant.ErrNotFound),
			fmt.Sprintf("`tenantctl migrate %s` goes on", name))
	}
	if last.State == tenant.OperationUndone {
		o.Factory.Warn("the move of %s was rolled back since", name)
	}
	return report, nil
}

// again reads both sides. There is a report also where they differ.
func (o *verifyOptions) again(ctx context.Context, name tenant.Name) (*migrate.Report, error) {
	f := o.Factory
	m, err := f.mover(ctx, string(name), keepsRecords)
	if err != nil {
		return nil, err
	}
	m.config.Jobs = o.Jobs
	f.Tell("reading both sides of %s", name)
	report, err := migrate.VerifyAgain(ctx, m.config)
	if report != nil {
		return report, nil
	}
	return nil, err
}

// several shows a line for each tenant. One that can't be looked at doesn't hide the others.
func (o *verifyOptions) several(ctx context.Context, records *registry.Registry, fleet []reconcile.Tenant) error {
	reports := []*migrate.Report{}
	outcomes := []outcome{}
	for _, t := range fleet {
		report, err := o.proof(ctx, records, t.Name)
		if err != nil && len(o.Selection.Names) == 0 && errors.Is(err, tenant.ErrNotFound) {
			continue
		}
		if err == nil {
			reports = append(reports, report)
			err = differs(report)
		}
		outcomes = append(outcomes, outcome{Tenant: t.Name, err: err})
	}
	return errors.Join(o.Factory.printProofs(reports), outcomesError(outcomes))
}

// differs is the error of a proof that failed; its rows have been shown.
func differs(report *migrate.Report) error {
	if report.Equal {
		return nil
	}
	return fmt.Errorf("both sides of %s differ", report.Tenant)
}

func (f *Factory) printProof(report *migrate.Report, when string) error {
	p := f.Printer()
	return p.One("MoveReport", report, output.View{
		Names: []string{"operation/" + report.Operation},
		Table: func(w io.Writer) error {
			if _, err := fmt.Fprintf(w, "%s, %s\n", report.Tenant, when); err != nil {
				return err
			}
			return writeReport(w, p, report)
		},
	})
}

func (f *Factory) printProofs(reports []*migrate.Report) error {
	p := f.Printer()
	names := make([]string, len(reports))
	for i, r := range reports {
		names[i] = "operation/" + r.Operation
	}
	return p.List("MoveReportList", reports, output.View{Names: names, Table: func(w io.Writer) error {
		if len(reports) == 0 {
			f.Tell("no tenant was moved yet")
			return nil
		}
		grid := output.NewGrid("NAME", "PROOF", ">ROWS", ">TABLES", "AT").Style("equal", terminal.Green).Style("DIFFERS", terminal.Red)
		for _, r := range reports {
			proof := "equal"
			if !r.Equal {
				proof = "DIFFERS"
			}
			grid.Row(string(r.Tenant), proof, look.Count(r.Rows), fmt.Sprint(len(r.Tables)), r.At.Local().Format(time.DateTime))
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}
