package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/preflight"
)

// preflight asks the tenants' data what the files before them would stumble over. Nobody is asked where no statement is risky.
func (f *Factory) preflight(ctx context.Context, u *upgrade.Upgrader, p upgrade.Proposal) (*preflight.Report, error) {
	report, err := preflight.Check(ctx, u.Instance, upgrade.Cohorts(u.Streams, p.Targets, p.Tenants), preflight.Options{})
	if err != nil {
		return nil, tenant.WithHint(fmt.Errorf("preflight: %w", err), "--preflight=false begins without asking")
	}
	return &report, nil
}

// refuseHopeless stops a rollout before it begins where the failures that the data foretells would stop it anyway. Fewer are
// only warned of: those tenants fail without harm, and the others are upgraded.
func (f *Factory) refuseHopeless(u *upgrade.Upgrader, p rolloutPlan) error {
	if p.Preflight == nil || p.Preflight.Blocked() == 0 {
		return nil
	}
	fail := map[tenant.Name]bool{}
	for _, finding := range p.Preflight.Findings {
		if finding.Blocks() {
			fail[finding.Tenant] = true
		}
	}
	wave, n := p.OverBudget(u.Rollout.Budget, fail)
	if wave == nil {
		f.Warn("%s will fail, which the budget allows: the others are upgraded", look.Plural(int64(len(fail)), "tenant", "tenants"))
		return nil
	}
	return tenant.WithHint(fmt.Errorf("wave %d (%s) would stop, since %d of its %d tenants would fail by their data; nothing was begun: %w", wave.Number, wave.Ring, n, wave.Size, tenant.ErrRefused),
		"mend the data as told above, change the file, or begin all the same with --preflight=false")
}

// writePreflight writes a table of tenants and what their data says.
func writePreflight(w io.Writer, p output.Printer, r preflight.Report) error {
	grid := output.NewGrid("TENANT", "FILE", "TABLE", "FOUND", "WHAT").Style(string(preflight.Blocking), terminal.Red).
		Style(string(preflight.Warning), terminal.Yellow).Style(string(preflight.Unknown), terminal.Yellow)
	told := map[string]bool{}
	var next []string
	for i, finding := range r.Findings {
		if finding.Next != "" && !told[finding.Next] && len(next) < maxListed {
			told[finding.Next] = true
			next = append(next, finding.Next)
		}
		if i == maxErrors {
			grid.Note("", "", "", "", fmt.Sprintf("and %d more; -o json lists each", len(r.Findings)-maxErrors))
		}
		if i >= maxErrors {
			continue
		}
		grid.Row(string(finding.Tenant), finding.File+":"+strconv.Itoa(finding.Line), finding.Table, string(finding.Severity), finding.Message)
	}
	if err := grid.Write(w, p.Width, p.Color); err != nil {
		return err
	}
	for _, hint := range next {
		if _, err := fmt.Fprintln(w, "  "+hint); err != nil {
			return err
		}
	}
	return nil
}

// errPrinter is how tables look on standard error.
func (f *Factory) errPrinter() output.Printer {
	if !f.Streams.ErrTerminal {
		return output.Printer{}
	}
	width, _ := f.Streams.Size()
	return output.Printer{Color: f.Streams.Color, Width: width}
}
