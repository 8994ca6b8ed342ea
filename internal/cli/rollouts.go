package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/upgrade"
)

type rolloutsOptions struct {
	Factory *Factory
	ID      string
	Limit   int
}

const defaultRollouts = 20

func newCmdRollouts(f *Factory, runF func(context.Context, *rolloutsOptions) error) *cobra.Command {
	opts := &rolloutsOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "rollouts [ROLLOUT]",
		Short: "Show the rollouts, or one with all its tenants",
		Long: `Show the newest rollouts: where each stands, and why it stopped. With the name of one it shows its waves, what the gates said, and
the tenants that failed or were left out; -o json has every tenant.

It asks the control database only.`,
		Example: `  tenantctl rollouts
  tenantctl rollouts r7
  tenantctl rollouts r7 -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(cmd, "", "%s takes one rollout at a time", cmd.CommandPath())
			}
			if len(args) == 1 {
				opts.ID = args[0]
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runRollouts(cmd.Context(), opts)
		},
	}
	cmd.Flags().IntVar(&opts.Limit, "limit", defaultRollouts, "how many to list")
	return cmd
}

func runRollouts(ctx context.Context, opts *rolloutsOptions) error {
	f := opts.Factory
	store, _, err := f.existingStore(ctx)
	if err != nil {
		return err
	}
	if opts.ID != "" {
		report, err := store.Report(ctx, opts.ID)
		if err != nil {
			return err
		}
		return f.printWholeRollout(report)
	}
	rollouts, err := store.Rollouts(ctx, opts.Limit)
	if err != nil {
		return err
	}
	names := make([]string, len(rollouts))
	for i, r := range rollouts {
		names[i] = "rollout/" + r.ID
	}
	p := f.Printer()
	return p.List("RolloutList", rollouts, output.View{Names: names, Table: func(w io.Writer) error {
		grid := styled(output.NewGrid("NAME", "STATE", "TO", "WAVE", "BEGAN", "BY", "WHY"))
		for _, r := range rollouts {
			grid.Row(r.ID, string(r.State), upgrade.TargetsText(r.Targets), fmt.Sprintf("%d of %d", r.Wave, len(r.Waves)), look.Age(f.now().Sub(r.Started))+" ago", r.Actor, r.Error)
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}

func styled(grid *output.Grid) *output.Grid {
	for _, state := range []upgrade.State{upgrade.Done, upgrade.RolledBack} {
		grid.Style(string(state), terminal.Green)
	}
	for _, state := range []upgrade.State{upgrade.Stopped, upgrade.Partial} {
		grid.Style(string(state), terminal.Red)
	}
	return grid.Style(string(upgrade.Paused), terminal.Yellow).Style(string(upgrade.Reverting), terminal.Yellow)
}

// printWholeRollout writes a rollout with its waves and gates.
func (f *Factory) printWholeRollout(r upgrade.Report) error {
	p := f.Printer()
	return p.One("Rollout", r, output.View{Names: []string{"rollout/" + r.Rollout.ID}, Table: func(w io.Writer) error {
		if err := writeRollout(w, p, r); err != nil {
			return err
		}
		if err := writeHead(w, f, r.Rollout); err != nil {
			return err
		}
		grid := output.NewGrid("WAVE", "RING", ">TENANTS", ">DONE", ">FAILED", "PASSED", "GATES")
		for _, wave := range r.Rollout.Waves {
			done, failed := r.CountWave(wave.Number)
			passed := "no"
			if wave.Passed {
				passed = "yes"
			}
			grid.Row(fmt.Sprint(wave.Number), wave.Ring, fmt.Sprint(wave.Size), fmt.Sprint(done), fmt.Sprint(failed), passed, gatesOf(r, wave.Number))
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}

func writeHead(w io.Writer, f *Factory, r upgrade.Rollout) error {
	text := fmt.Sprintf("  to       %s\n  begun    %s ago by %s\n", upgrade.TargetsText(r.Targets), look.Age(f.now().Sub(r.Started)), r.Actor)
	if r.Reason != "" {
		text += "  reason   " + r.Reason + "\n"
	}
	if r.Error != "" {
		text += "  why      " + r.Error + "\n"
	}
	if r.State.Unfinished() || r.State == upgrade.Partial {
		text += fmt.Sprintf("  next     `tenantctl upgrade --resume` goes on, `tenantctl upgrade --rollback %s` goes back\n", r.ID)
	}
	_, err := io.WriteString(w, text)
	return err
}

// gatesOf is the newest that each gate said of a wave.
func gatesOf(r upgrade.Report, wave int) string {
	var order []string
	newest := map[string]string{}
	for _, j := range r.Judgements {
		if j.Wave != wave {
			continue
		}
		if _, seen := newest[j.Gate]; !seen {
			order = append(order, j.Gate)
		}
		newest[j.Gate] = fmt.Sprintf("%s %s", j.Gate, j.Verdict)
	}
	parts := make([]string, len(order))
	for i, gate := range order {
		parts[i] = newest[gate]
	}
	return strings.Join(parts, ", ")
}
