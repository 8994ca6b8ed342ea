package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type statusOptions struct {
	Factory   *Factory
	Selection selection
	serverFlags
}

func newCmdStatus(f *Factory, runF func(context.Context, *statusOptions) error) *cobra.Command {
	opts := &statusOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show how the tenants stand",
		Long: `Show how the tenants stand: what is declared in tenants.yaml, what was made of it, where their traffic goes, their versions, and
the operation that is under way. With one name it shows everything that is known of that tenant, the steps of its newest
operation included. A move that died says that the client's writes are blocked, and which command releases them.

It asks the control database only, and makes nothing: of a local stack that was never started it starts none.`,
		Example: `  tenantctl status
  tenantctl status client-x
  tenantctl status --selector ring=canary,state=active
  tenantctl status -o json
  tenantctl status --server http://operator:8090 --token-file token`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := opts.check(cmd); err != nil {
				return err
			}
			return opts.Selection.some(f, false)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runStatus(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	opts.flags(cmd)
	return cmd
}

// absent is the state of a tenant that is declared and of which nothing was made.
const absent tenant.State = "absent"

// statusItem is a tenant as status prints it for programs.
type statusItem struct {
	tenant.Status
	Limits   limitsView             `json:"limits"`            // in place of the status' own
	Declared bool                   `json:"declared"`          // in tenants.yaml
	Blocked  *migrate.BlockedWrites `json:"blocked,omitempty"` // writes to the legacy database
}

// statusGrowth lets the heap grow to so many percent of what is in use before the next collection: a process that reads a fleet
// and ends has little to collect, and looking for it would be a fifth of its work.
const statusGrowth = 400

func runStatus(ctx context.Context, opts *statusOptions) error {
	defer debug.SetGCPercent(debug.SetGCPercent(statusGrowth))
	f := opts.Factory
	if opts.Server != "" {
		return opts.remote(ctx)
	}
	fleet, err := f.fleet(ctx, &opts.Selection)
	if err != nil {
		return err
	}
	if len(opts.Selection.Names) == 1 {
		return f.printTenant(ctx, fleet[0])
	}
	items := make([]statusItem, len(fleet))
	for i, t := range fleet {
		items[i] = itemOf(t)
		if err := f.addBlocked(ctx, &items[i]); err != nil {
			return err
		}
	}
	p := f.Printer()
	return p.List("TenantStatusList", items, output.View{
		Names: tenantNames(fleet),
		Table: func(w io.Writer) error { return f.statusTable(w, p, items) },
	})
}

func itemOf(t reconcile.Tenant) statusItem {
	if t.Status != nil {
		return statusItem{Status: *t.Status, Limits: viewLimits(t.Status.Limits), Declared: t.Declared}
	}
	return statusItem{Declared: true, Limits: viewLimits(t.Spec.Limits), Status: tenant.Status{
		Name: t.Name, Instance: t.Spec.Instance, Schema: t.Spec.Schema, Ring: t.Spec.Ring, State: absent,
		Limits: t.Spec.Limits, Services: t.Spec.Services, Upstream: t.Spec.Upstream,
	}}
}

// limitsView has durations as people write them.
type limitsView struct {
	StatementTimeout  string `json:"statementTimeout"`
	RequestsPerSecond int    `json:"requestsPerSecond"`
	Jobs              int    `json:"jobs"`
	Weight            int    `json:"weight"`
}

func viewLimits(l tenant.Limits) limitsView {
	return limitsView{StatementTimeout: l.StatementTimeout.String(), RequestsPerSecond: l.RequestsPerSecond, Jobs: l.Jobs, Weight: l.Weight}
}

// addBlocked looks into the journal of a move that has come to its fence; few have.
func (f *Factory) addBlocked(ctx context.Context, item *statusItem) error {
	if !migrate.MayBlock(item.Operation) {
		return nil
	}
	records, err := f.ExistingRegistry(ctx)
	if err != nil {
		return err
	}
	steps, err := records.Steps(ctx, item.Operation.ID)
	if err != nil {
		return err
	}
	item.Blocked = migrate.FenceOf(item.Operation, steps)
	return nil
}

func tenantNames(fleet []reconcile.Tenant) []string {
	names := make([]string, len(fleet))
	for i, t := range fleet {
		names[i] = "tenant/" + string(t.Name)
	}
	return names
}

func (f *Factory) statusTable(w io.Writer, p output.Printer, items []statusItem) error {
	if len(items) == 0 {
		f.Tell("no tenants; add them to tenants.yaml under tenants:")
		return nil
	}
	now := f.now()
	grid := output.NewGrid("NAME", "STATE", "ROUTE", "INSTANCE/SCHEMA", "RING", "VERSIONS", "OPERATION").
		Style(string(tenant.Active), terminal.Green).Style(string(tenant.Suspended), terminal.Yellow).
		Style(string(tenant.RouteHold), terminal.Yellow).Style(string(absent), terminal.Dim)
	for _, item := range items {
		state := string(item.State)
		if item.Overridden(reconcile.OverrideState) != "" {
			state += " (by hand)"
		}
		if !item.Declared {
			state += " (undeclared)"
		}
		grid.Row(string(item.Name), state, string(item.Route), item.Instance+"/"+item.Schema, item.Ring,
			tenant.VersionsText(item.Versions), migrate.Standing(item.Operation, now))
	}
	if err := grid.Write(w, p.Width, p.Color); err != nil {
		return err
	}
	return writeBlocked(w, p, items, now)
}

func writeBlocked(w io.Writer, p output.Printer, items []statusItem, now time.Time) error {
	first := true
	for _, item := range items {
		if item.Blocked == nil {
			continue
		}
		if first {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
			first = false
		}
		text := item.Blocked.Sentence(item.Name, now)
		if p.Color {
			text = terminal.Red.Paint(text)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// existing is the registry, or nil where there are no records yet.
func (f *Factory) existing(ctx context.Context) (*registry.Registry, error) {
	records, err := f.ExistingRegistry(ctx)
	if errors.Is(err, registry.ErrNotSetUp) {
		return nil, nil
	}
	return records, err
}
