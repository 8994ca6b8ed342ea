package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// tenantDetail is everything that is known of one tenant.
type tenantDetail struct {
	statusItem
	Spec      *specView           `json:"spec,omitempty"` // absent where it isn't declared any more
	Overrides []registry.Override `json:"overrides,omitempty"`
	// Last is the newest operation: the one under way, else the newest move.
	Last  *tenant.Operation   `json:"lastOperation,omitempty"`
	Steps []tenant.StepRecord `json:"steps,omitempty"` // of Last
}

// specView is what tenants.yaml declares, for programs.
type specView struct {
	Instance string       `json:"instance"`
	Schema   string       `json:"schema"`
	Ring     string       `json:"ring"`
	State    tenant.State `json:"state"`
	Services []string     `json:"services"`
	Limits   limitsView   `json:"limits"`
	Legacy   string       `json:"legacy,omitempty"` // the reference to its connection string
	Mapping  string       `json:"mapping,omitempty"`
	Upstream string       `json:"upstream,omitempty"`
}

func (f *Factory) printTenant(ctx context.Context, t reconcile.Tenant) error {
	detail, err := f.detail(ctx, t)
	if err != nil {
		return err
	}
	p := f.Printer()
	return p.One("TenantStatus", detail, output.View{
		Names: []string{"tenant/" + string(t.Name)},
		Table: func(w io.Writer) error { return detail.write(w, p, f.now()) },
	})
}

func (f *Factory) detail(ctx context.Context, t reconcile.Tenant) (tenantDetail, error) {
	detail := tenantDetail{statusItem: itemOf(t)}
	if t.Declared {
		file, err := f.Config()
		if err != nil {
			return detail, err
		}
		detail.Spec = viewOf(file, t.Spec)
	}
	records, err := f.existing(ctx)
	if err != nil || records == nil {
		return detail, err
	}
	if detail.Overrides, err = records.Overrides(ctx, t.Name); err != nil {
		return detail, err
	}
	if detail.Last, err = migrate.LastOperation(ctx, records, detail.Operation, t.Name); err != nil || detail.Last == nil {
		return detail, err
	}
	if detail.Steps, err = records.Steps(ctx, detail.Last.ID); err != nil {
		return detail, err
	}
	if migrate.MayBlock(detail.Operation) {
		detail.Blocked = migrate.FenceOf(detail.Operation, detail.Steps)
	}
	return detail, nil
}

func viewOf(file *config.File, spec tenant.Spec) *specView {
	view := &specView{
		Instance: spec.Instance, Schema: spec.Schema, Ring: spec.Ring, State: spec.State, Services: spec.Services,
		Limits: viewLimits(spec.Limits), Mapping: spec.Mapping, Upstream: spec.Upstream,
	}
	if view.Services == nil {
		view.Services = []string{}
	}
	if dsn, err := file.LegacyDSN(spec.Name); err == nil {
		view.Legacy = dsn.String()
	}
	return view
}

func (d tenantDetail) write(w io.Writer, p output.Printer, now time.Time) error {
	var text strings.Builder
	fmt.Fprintln(&text, d.Name)
	for _, line := range d.lines(now) {
		if line[1] != "" {
			fmt.Fprintf(&text, "  %-11s %s\n", line[0], line[1])
		}
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	if err := d.writeSteps(w, p, now); err != nil {
		return err
	}
	if migrate.MayGoBack(d.Last, d.Steps) {
		_, err := fmt.Fprintf(w, "\nits legacy database is read only; `tenantctl rollback %[1]s` goes back to it, `tenantctl complete %[1]s` ends the move for good\n", d.Name)
		return err
	}
	return writeBlocked(w, p, []statusItem{d.statusItem}, now)
}

// lines are the facts, each with its label; an empty fact is left out.
func (d tenantDetail) lines(now time.Time) [][2]string {
	lines := [][2]string{
		{"state", d.stateText()},
		{"route", d.routeText()},
		{"home", fmt.Sprintf("instance %s, schema %s%s", d.Instance, d.Schema, prefixed(", cell ", d.Cell))},
		{"ring", d.Ring},
		{"services", strings.Join(d.Services, ", ")},
		{"versions", tenant.VersionsText(d.Versions)},
		{"path", strings.Join(d.SearchPath, ", ")},
		{"limits", limitsText(d.Limits)},
		{"upstream", d.Upstream},
	}
	if d.Spec != nil && d.Spec.Legacy != "" {
		lines = append(lines, [2]string{"legacy", d.Spec.Legacy + ", " + first(prefixed("mapped by ", d.Spec.Mapping), "lifted as it is")})
	}
	for _, o := range d.Overrides {
		lines = append(lines, [2]string{"override", fmt.Sprintf("%s=%s by %s, %s ago%s", o.Kind, o.Value, o.Actor, look.Age(now.Sub(o.At)), prefixed(": ", o.Reason))})
	}
	if !d.Updated.IsZero() {
		lines = append(lines, [2]string{"changed", look.Age(now.Sub(d.Updated)) + " ago"})
	}
	return append(lines, d.drift()...)
}

func (d tenantDetail) stateText() string {
	switch {
	case d.State == absent:
		how := "provision"
		if d.Spec != nil && d.Spec.Legacy != "" {
			how = "migrate"
		}
		return fmt.Sprintf("absent: declared, nothing is made yet (`tenantctl %s %s`)", how, d.Name)
	case !d.Declared:
		return string(d.State) + ", no longer declared in tenants.yaml"
	case d.Spec != nil && d.Spec.State != d.State:
		return fmt.Sprintf("%s, declared as %s", d.State, d.Spec.State)
	}
	return string(d.State)
}

func (d tenantDetail) routeText() string {
	switch d.Route {
	case tenant.RouteLegacy:
		return fmt.Sprintf("legacy: its traffic goes to the legacy application (epoch %d)", d.Epoch)
	case tenant.RouteHold:
		return fmt.Sprintf("hold: its traffic waits at the gateway (epoch %d)", d.Epoch)
	case tenant.RoutePlatform:
		return fmt.Sprintf("platform: its traffic goes to the platform (epoch %d)", d.Epoch)
	}
	return ""
}

// drift names what of the declaration isn't recorded yet.
func (d tenantDetail) drift() [][2]string {
	if d.Spec == nil || d.State == absent {
		return nil
	}
	var changes []string
	note := func(what string, declared, recorded any) {
		if fmt.Sprint(declared) != fmt.Sprint(recorded) {
			changes = append(changes, fmt.Sprintf("%s %v", what, declared))
		}
	}
	note("ring", d.Spec.Ring, d.Ring)
	note("services", d.Spec.Services, d.Services)
	note("limits", limitsText(d.Spec.Limits), limitsText(d.Limits))
	if len(changes) == 0 {
		return nil
	}
	return [][2]string{{"to apply", strings.Join(changes, "; ") + " (`tenantctl apply`)"}}
}

func limitsText(l limitsView) string {
	return fmt.Sprintf("statements %s, %s, %s at once, weight %d", l.StatementTimeout,
		look.Plural(int64(l.RequestsPerSecond), "request/s", "requests/s"), look.Plural(int64(l.Jobs), "job", "jobs"), l.Weight)
}

func (d tenantDetail) writeSteps(w io.Writer, p output.Printer, now time.Time) error {
	if d.Last == nil {
		return nil
	}
	op := d.Last
	head := fmt.Sprintf("\n%s %s by %s, begun %s ago%s\n", op.Kind, migrate.State(op), op.Actor, look.Age(now.Sub(op.Started)), prefixed(": ", op.Reason))
	if op.Error != "" && op.State == tenant.OperationFailed {
		head += "  " + strings.ReplaceAll(maskText(op.Error), "\n", "\n  ") + "\n"
	}
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	if len(d.Steps) == 0 {
		return nil
	}
	grid := output.NewGrid("  STEP", "STATE", ">TRY", "BEGAN", "TOOK", "ERROR").
		Style("done", terminal.Green).Style("failed", terminal.Red).Style("started", terminal.Yellow)
	for _, step := range d.Steps {
		took := ""
		if !step.Ended.IsZero() {
			took = look.Duration(step.Ended.Sub(step.Started))
		}
		grid.Row("  "+step.Step, step.State, fmt.Sprint(step.Attempt), look.Clock(step.Started, now), took, maskText(step.Error))
	}
	return grid.Write(w, p.Width, p.Color)
}

// prefixed is prefix and text, or nothing where there is no text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
