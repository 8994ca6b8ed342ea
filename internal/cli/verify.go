package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

type verifyOptions struct {
	migrateOptions
	Source bool
}

func newCmdVerify(f *Factory, runF func(context.Context, *verifyOptions) error) *cobra.Command {
	opts := &verifyOptions{migrateOptions: migrateOptions{Factory: f}}
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Show the proof of a move, or compare both sides again",
		Long: `Show the proof that a move kept: for every table how many rows were sent and read back, and whether their hashes are equal. With
--source both sides are read again now, the legacy database included, and compared; rows that the platform wrote since the
move are differences then. Nothing is changed.`,
		Example: "  tenantctl verify client-x\n  tenantctl verify client-x --source -o json",
		Args:    f.oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.Mode = args[0], modeOffline
			if err := opts.check(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runVerify(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	cmd.Flags().BoolVar(&opts.Source, "source", false, "read both sides again and compare them")
	cmd.Flags().IntVar(&opts.Jobs, "jobs", defaultJobs, "tables read at once")
	return cmd
}

func runVerify(ctx context.Context, opts *verifyOptions) error {
	f := opts.Factory
	if opts.Source {
		return f.verifyAgain(ctx, opts)
	}
	records, err := f.existing(ctx)
	if err != nil {
		return err
	}
	name := tenant.Name(opts.Name)
	if records == nil {
		return notMoved(name)
	}
	last, err := records.LastOperation(ctx, name, migrate.Kind)
	if errors.Is(err, tenant.ErrNotFound) {
		return notMoved(name)
	}
	if err != nil {
		return err
	}
	report, err := migrate.LastReport(ctx, records, last.ID)
	if err != nil {
		return err
	}
	if report == nil {
		return tenant.WithHint(fmt.Errorf("the move of %s hasn't come to its proof, it stands at `%s`: %w", name, last.Phase, tenant.ErrNotFound),
			fmt.Sprintf("`tenantctl migrate %s` goes on", name))
	}
	if last.State == tenant.OperationUndone {
		f.Warn("this move was rolled back since")
	}
	if err := f.printProof(report, "as the move found it"); err != nil {
		return err
	}
	return differs(report)
}

// verifyAgain reads both sides. Its report is printed also where they differ.
func (f *Factory) verifyAgain(ctx context.Context, opts *verifyOptions) error {
	m, err := f.mover(ctx, opts.Name, keepsRecords)
	if err != nil {
		return err
	}
	last, err := m.last(ctx)
	if err != nil {
		return err
	}
	if last == nil {
		return notMoved(m.name())
	}
	opts.apply(&m.config)
	f.Tell("reading both sides of %s", m.name())
	report, err := migrate.VerifyAgain(ctx, m.config)
	if report == nil {
		return err
	}
	if err := f.printProof(report, "as both sides are now"); err != nil {
		return err
	}
	return differs(report)
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
