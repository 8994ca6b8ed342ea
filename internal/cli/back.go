package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

func newCmdCutover(f *Factory, runF func(context.Context, *migrateOptions) error) *cobra.Command {
	opts := &migrateOptions{Factory: f, Mode: modeAuto}
	cmd := &cobra.Command{
		Use:   "cutover NAME",
		Short: "Run the rest of a move that was stopped before its end",
		Long: `Run the rest of a move that stopped, because --stop-before told it to or because it was interrupted, up to and including the
switch of the tenant's traffic. Where writes to the legacy database aren't stopped yet, it says for how long they will be, and
asks.`,
		Example: "  tenantctl migrate client-x --stop-before cutover --yes\n  tenantctl cutover client-x",
		Args:    f.oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if err := opts.check(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runCutover(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	opts.speedFlags(cmd)
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for the records")
	cmd.Flags().StringVar(&opts.Report, "report", "", "write the proof to this `file` as JSON")
	return cmd
}

func runCutover(ctx context.Context, opts *migrateOptions) error {
	f := opts.Factory
	m, err := f.mover(ctx, opts.Name, keepsRecords)
	if err != nil {
		return err
	}
	last, err := m.last(ctx)
	switch {
	case err != nil:
		return err
	case last == nil || last.State == tenant.OperationUndone:
		return notMoved(m.name())
	case last.State == tenant.OperationDone:
		f.Tell("%s lives on the platform already", m.name())
		return f.printStanding(last)
	}
	opts.apply(&m.config)
	return f.move(ctx, m, opts)
}

type rollbackOptions struct {
	Factory *Factory
	Name    string
	Discard bool
	Reason  string
}

func newCmdRollback(f *Factory, runF func(context.Context, *rollbackOptions) error) *cobra.Command {
	opts := &rollbackOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Give a client its legacy database back",
		Long: `Give a client its legacy database back: writes are allowed there again, its traffic goes there again, and what the move brought to
the tenant's schema is taken away. It works at any point of a move, after its end too, until complete.

Where the tenant was written to since the move it refuses, since these writes would be lost. With --discard-platform-writes
they are kept in an archive and left out.`,
		Example: "  tenantctl rollback client-x\n  tenantctl rollback client-x --discard-platform-writes",
		Args:    f.oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runRollback(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	cmd.Flags().BoolVar(&opts.Discard, "discard-platform-writes", false, "go back although the tenant was written to; its rows are archived first")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for the records")
	return cmd
}

func runRollback(ctx context.Context, opts *rollbackOptions) error {
	f := opts.Factory
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
	writes := migrate.RefuseWrites
	if opts.Discard {
		writes = migrate.DiscardWrites
	}
	m.config.Jobs, m.config.Reason = defaultJobs, opts.Reason
	done, err := migrate.Rollback(ctx, m.config, writes)
	if err != nil {
		return err
	}
	if err := m.scratch.sweep(ctx, scratchDatabase(last.ID)); err != nil {
		f.Warn("a scratch database may be left behind: %s", err)
	}
	err = m.records.SetOverride(ctx, registry.Override{Tenant: m.name(), Kind: reconcile.OverrideMove, Value: "off", Actor: f.actor(), Reason: first(opts.Reason, "rolled back")})
	if err != nil {
		return err
	}
	return f.Printer().One("Rollback", struct {
		Tenant tenant.Name `json:"tenant"`
		*migrate.RolledBack
	}{m.name(), done}, output.View{
		Names: []string{"operation/" + done.Operation},
		Table: func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s is back on its legacy database; writes there are allowed again\n%s", m.name(),
				prefixed("what the platform wrote since the move is kept in ", suffixed(done.Archive, "\n")))
			return err
		},
	})
}

func suffixed(text, suffix string) string {
	if text == "" {
		return ""
	}
	return text + suffix
}

type completeOptions struct {
	Factory *Factory
	Name    string
	Reason  string
}

func newCmdComplete(f *Factory, runF func(context.Context, *completeOptions) error) *cobra.Command {
	opts := &completeOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "complete NAME",
		Short: "End a move for good: no way back after this",
		Long: `End a move for good. From then on rollback isn't possible any more. The legacy database stays as it is, read only; removing it is
yours to do.`,
		Example: "  tenantctl complete client-x\n  tenantctl complete client-x --yes",
		Args:    f.oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runComplete(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for the records")
	return cmd
}

func runComplete(ctx context.Context, opts *completeOptions) error {
	f := opts.Factory
	m, err := f.mover(ctx, opts.Name, keepsRecords)
	if err != nil {
		return err
	}
	last, err := m.last(ctx)
	if err != nil {
		return err
	}
	if last == nil || last.State == tenant.OperationUndone {
		return notMoved(m.name())
	}
	if last.State == tenant.OperationDone {
		if err := f.confirm(ctx, fmt.Sprintf("After this %s can't go back to its legacy database. Complete the move?", m.name()), "complete "+opts.Name); err != nil {
			return err
		}
	}
	m.config.Reason = opts.Reason
	op, err := migrate.Complete(ctx, m.config)
	if err != nil {
		return err
	}
	if err := m.scratch.sweep(ctx, scratchDatabase(op.ID)); err != nil {
		f.Warn("a scratch database may be left behind: %s", err)
	}
	return f.printMove("MoveResult", moveResult{Operation: &op}, func(w io.Writer, _ output.Printer) error {
		_, err := fmt.Fprintf(w, "the move of %s is complete; its legacy database stays read only, until you remove it\n", m.name())
		return err
	})
}
