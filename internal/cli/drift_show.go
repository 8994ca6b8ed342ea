package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/drift"
	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// driftReport is what was compared, and what came of it.
type driftReport struct {
	Compared int `json:"compared"`
	Drifted  int `json:"drifted"` // tenants that differ, or with --fix differed
	// Cohorts are how many of them stand at which versions.
	Cohorts map[string]int `json:"cohorts"`
	Groups  []driftGroup   `json:"groups"`
	Foreign []driftForeign `json:"foreign,omitempty"`
	Skipped []driftNote    `json:"skipped,omitempty"`
	Failed  []driftNote    `json:"failed,omitempty"`
	Fixed   []driftFixed   `json:"fixed,omitempty"`
	Left    []driftLeft    `json:"left,omitempty"`

	findings []drift.Finding
	repairs  []drift.Repair
	errs     []error
}

// driftGroup is what some tenants have in common.
type driftGroup struct {
	Count int `json:"count"`
	drift.Group
}

type driftForeign struct {
	Tenant  tenant.Name `json:"tenant"`
	Objects []string    `json:"objects"`
}

type driftNote struct {
	Tenant tenant.Name `json:"tenant"`
	Why    string      `json:"why"`
}

// driftFixed are differences that are gone, of the tenants that had them.
type driftFixed struct {
	Differences []string      `json:"differences"`
	Tenants     []tenant.Name `json:"tenants"`
}

// driftLeft is a difference that stays.
type driftLeft struct {
	drift.Left
	Tenants []tenant.Name `json:"tenants"`
}

func (r *driftReport) skip(name tenant.Name, why string) {
	r.Skipped = append(r.Skipped, driftNote{name, why})
}

func (r *driftReport) fail(name tenant.Name, err error) {
	r.Failed = append(r.Failed, driftNote{name, maskText(err.Error())})
	r.errs = append(r.errs, err)
}

func (r *driftReport) failAll(specs []tenant.Spec, err error) {
	for _, spec := range specs {
		r.fail(spec.Name, fmt.Errorf("%s: %w", spec.Name, err))
	}
}

// finish sums up what was found.
func (r *driftReport) finish() {
	r.Cohorts, r.Groups = map[string]int{}, []driftGroup{}
	for _, f := range r.findings {
		if f.Err != nil {
			r.fail(f.Tenant, f.Err)
			continue
		}
		r.Compared++
		r.Cohorts[f.Cohort]++
		if len(f.Differences) > 0 {
			r.Drifted++
		}
		if len(f.Foreign) > 0 {
			r.Foreign = append(r.Foreign, driftForeign{f.Tenant, f.Foreign})
		}
	}
	for _, g := range drift.Groups(r.findings) {
		r.Groups = append(r.Groups, driftGroup{len(g.Tenants), g})
	}
	r.sumRepairs()
}

func (r *driftReport) sumRepairs() {
	slices.SortFunc(r.repairs, func(a, b drift.Repair) int { return cmp.Compare(a.Tenant, b.Tenant) })
	fixed, left := map[string]*driftFixed{}, map[drift.Left]*driftLeft{}
	for _, repair := range r.repairs {
		if len(repair.Fixed) > 0 {
			key := strings.Join(repair.Fixed, "\n")
			if fixed[key] == nil {
				fixed[key] = &driftFixed{Differences: repair.Fixed}
			}
			fixed[key].Tenants = append(fixed[key].Tenants, repair.Tenant)
		}
		for _, l := range repair.Left {
			if left[l] == nil {
				left[l] = &driftLeft{Left: l}
			}
			left[l].Tenants = append(left[l].Tenants, repair.Tenant)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fixed)) {
		r.Fixed = append(r.Fixed, *fixed[key])
	}
	for _, l := range left {
		r.Left = append(r.Left, *l)
	}
	slices.SortFunc(r.Left, func(a, b driftLeft) int {
		return cmp.Or(cmp.Compare(len(b.Tenants), len(a.Tenants)), cmp.Compare(a.String(), b.String()), cmp.Compare(a.Why, b.Why), slices.Compare(a.Tenants, b.Tenants))
	})
}

// remaining are the tenants that differ now.
func (r *driftReport) remaining(fixing bool) []tenant.Name {
	names := map[tenant.Name]bool{}
	for _, f := range r.findings {
		if f.Err == nil && len(f.Differences) > 0 {
			names[f.Tenant] = true
		}
	}
	for _, repair := range r.repairs {
		if fixing && len(repair.Left) == 0 {
			delete(names, repair.Tenant)
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// err is what the command ends with: partial where some couldn't be compared, else the drift that is there.
func (r *driftReport) err(opts *driftOptions) error {
	outcomes := make([]outcome, r.Compared, r.Compared+len(r.errs))
	for _, err := range r.errs {
		outcomes = append(outcomes, outcome{err: err})
	}
	failed := outcomesError(outcomes)
	left := r.remaining(opts.Fix)
	switch {
	case len(left) == 0 || opts.Detailed && failed != nil: // which counts for more
		return failed
	case opts.Detailed:
		return silent(tenant.ErrChanges)
	}
	found := fmt.Errorf("%d of %s differ from what their versions should be", len(left), look.Plural(int64(r.Compared), "tenant", "tenants"))
	if opts.Fix {
		return errors.Join(failed, tenant.WithHint(found, "what is left needs a person: the reason stands beside it"))
	}
	return errors.Join(failed, tenant.WithHint(found, "`tenantctl drift --fix` puts back what is certain, and says what it leaves"))
}

func (f *Factory) printDrift(r *driftReport) error {
	p := f.Printer()
	names := []string{}
	for _, name := range r.remaining(len(r.repairs) > 0) {
		names = append(names, "tenant/"+string(name))
	}
	return p.One("DriftReport", r, output.View{Names: names, Table: func(w io.Writer) error { return r.write(w, p) }})
}

func (r *driftReport) write(w io.Writer, p output.Printer) error {
	var text strings.Builder
	paint := func(style terminal.Style, s string) string {
		if p.Color {
			return style.Paint(s)
		}
		return s
	}
	if len(r.repairs) == 0 {
		for _, g := range r.Groups {
			fmt.Fprintln(&text, paint(terminal.Yellow, tenantsText(g.Tenants)))
			for _, d := range g.Differences {
				fmt.Fprintf(&text, "    %s\n", d)
			}
		}
	}
	for _, fixed := range r.Fixed {
		fmt.Fprintln(&text, paint(terminal.Green, "fixed in "+tenantsText(fixed.Tenants)))
		for _, d := range fixed.Differences {
			fmt.Fprintf(&text, "    %s\n", d)
		}
	}
	for _, left := range r.Left {
		fmt.Fprintf(&text, "%s\n    %s\n        %s\n", paint(terminal.Yellow, "left in "+tenantsText(left.Tenants)), left.Difference, oneLine(left.Why))
	}
	for _, foreign := range r.Foreign {
		fmt.Fprintf(&text, "not tenantctl's, left alone in %s: %s\n", foreign.Tenant, listed(foreign.Objects))
	}
	for _, note := range r.Skipped {
		fmt.Fprintf(&text, "not compared: %s %s\n", note.Tenant, note.Why)
	}
	fmt.Fprintln(&text, r.summary())
	_, err := io.WriteString(w, text.String())
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// tenantsText is how many tenants a group has, and which.
func tenantsText(tenants []tenant.Name) string {
	return look.Plural(int64(len(tenants)), "tenant", "tenants") + ": " + listed(tenants)
}

func (r *driftReport) summary() string {
	cohorts := make([]string, 0, len(r.Cohorts))
	for _, cohort := range slices.Sorted(maps.Keys(r.Cohorts)) {
		cohorts = append(cohorts, fmt.Sprintf("%s at %s", look.Count(int64(r.Cohorts[cohort])), cohort))
	}
	text := fmt.Sprintf("%s compared%s", look.Plural(int64(r.Compared), "tenant", "tenants"), prefixed(" (", strings.Join(cohorts, "; ")))
	if len(cohorts) > 0 {
		text += ")"
	}
	switch {
	case r.Drifted == 0:
		return text + ": no drift"
	case len(r.repairs) > 0:
		return text + fmt.Sprintf(": %d differed, %d still do", r.Drifted, len(r.remaining(true)))
	}
	return text + fmt.Sprintf(": %d differ", r.Drifted)
}
