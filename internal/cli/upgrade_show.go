package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/preflight"
)

// rolloutPlan is what an upgrade would do, and what the tenants' data says to it.
type rolloutPlan struct {
	upgrade.Proposal
	Preflight *preflight.Report `json:"preflight,omitempty"` // nil: nobody was asked
	Cohorts   []triedCohort     `json:"cohorts,omitempty"`   // only of a dry run
}

func (p rolloutPlan) write(w io.Writer, printer output.Printer) error {
	if err := writeProposal(w, p.Proposal); err != nil {
		return err
	}
	for _, cohort := range p.Cohorts {
		if err := cohort.write(w); err != nil {
			return err
		}
	}
	if p.Preflight == nil || len(p.Preflight.Findings) == 0 {
		return nil
	}
	return writePreflight(w, printer, *p.Preflight)
}

// printProposal writes what an upgrade would do.
func (f *Factory) printProposal(p rolloutPlan) error {
	var names []string
	for _, t := range p.Tenants {
		if t.Result == upgrade.Pending {
			names = append(names, "tenant/"+string(t.Tenant))
		}
	}
	if names == nil {
		names = []string{}
	}
	return f.Printer().One("RolloutPlan", p, output.View{Names: names, Table: func(w io.Writer) error { return p.write(w, f.Printer()) }})
}

// writeProposal tells a person who is upgraded, from where to where, and in which waves.
func writeProposal(w io.Writer, p upgrade.Proposal) error {
	var text strings.Builder
	targets := concernedTargets(p)
	if p.Empty() {
		fmt.Fprintf(&text, "nothing to do: %s at %s\n", look.Plural(int64(p.Current), "tenant is", "tenants are"), strings.Join(targets, ", "))
	} else {
		fmt.Fprintf(&text, "%s to %s%s\n", look.Plural(int64(p.Pending()), "tenant", "tenants"), strings.Join(targets, ", "), currentText(p))
		for _, line := range fromWhere(p) {
			fmt.Fprintf(&text, "  %s\n", line)
		}
		for _, wave := range p.Waves {
			fmt.Fprintf(&text, "  wave %d of %d: ring %s, %s, %d at once on each instance%s\n", wave.Number, len(p.Waves), wave.Ring,
				look.Plural(int64(wave.Size), "tenant", "tenants"), wave.Parallel, bakeText(wave))
		}
	}
	for note, names := range notes(p.Tenants) {
		fmt.Fprintf(&text, "  left out, %s: %s\n", listed(names), note)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// concernedTargets are the versions that tenants are brought to; all where there is nothing to do.
func concernedTargets(p upgrade.Proposal) []string {
	var targets []string
	for _, target := range p.Targets {
		behind := slices.ContainsFunc(p.Tenants, func(t upgrade.Outcome) bool {
			before, has := t.Before[target.Service]
			return t.Result == upgrade.Pending && has && (before == nil || *before < target.Version)
		})
		if behind || p.Empty() {
			targets = append(targets, fmt.Sprintf("%s %d", target.Service, target.Version))
		}
	}
	return targets
}

func currentText(p upgrade.Proposal) string {
	if p.Current == 0 {
		return ""
	}
	return "; " + look.Plural(int64(p.Current), "is", "are") + " there already"
}

func bakeText(wave upgrade.Wave) string {
	if wave.Bake == 0 {
		return ""
	}
	return ", then " + look.Duration(wave.Bake) + " of bake"
}

// fromWhere counts the tenants by the versions that they have now.
func fromWhere(p upgrade.Proposal) []string {
	counts := map[string]int64{}
	for _, t := range p.Tenants {
		if t.Result != upgrade.Pending {
			continue
		}
		var parts []string
		for _, target := range p.Targets {
			before, concerned := t.Before[target.Service]
			switch {
			case !concerned:
			case before == nil:
				parts = append(parts, target.Service+" none")
			case *before < target.Version:
				parts = append(parts, target.Service+" "+strconv.FormatUint(*before, 10))
			}
		}
		counts[strings.Join(parts, ", ")]++
	}
	var lines []string
	for from, n := range counts {
		lines = append(lines, fmt.Sprintf("from %s: %s", from, look.Plural(n, "tenant", "tenants")))
	}
	slices.Sort(lines)
	return lines
}

// notes are the tenants that a rule leaves out, by the rule, in order.
func notes(tenants []upgrade.Outcome) func(func(string, []tenant.Name) bool) {
	byNote := map[string][]tenant.Name{}
	for _, t := range tenants {
		if t.Result == upgrade.Skipped {
			note := strings.ReplaceAll(t.Note, string(t.Tenant), "NAME")
			byNote[note] = append(byNote[note], t.Tenant)
		}
	}
	return func(yield func(string, []tenant.Name) bool) {
		var all []string
		for note := range byNote {
			all = append(all, note)
		}
		slices.Sort(all)
		for _, note := range all {
			if !yield(note, byNote[note]) {
				return
			}
		}
	}
}

// printRollout writes a rollout: its waves, and the tenants that need somebody.
func (f *Factory) printRollout(r upgrade.Report) error {
	p := f.Printer()
	return p.One("Rollout", r, output.View{Names: []string{"rollout/" + r.Rollout.ID}, Table: func(w io.Writer) error { return writeRollout(w, p, r) }})
}

func writeRollout(w io.Writer, p output.Printer, r upgrade.Report) error {
	if _, err := fmt.Fprintf(w, "rollout %s is %s: %s\n", r.Rollout.ID, r.Rollout.State, resultsText(r.Tenants)); err != nil {
		return err
	}
	grid := output.NewGrid("NAME", "WAVE", "RESULT", ">TRIES", "WHY").Style(string(upgrade.Failed), terminal.Red).
		Style(string(upgrade.Deferred), terminal.Yellow).Style(string(upgrade.Skipped), terminal.Yellow)
	rows := needingSomebody(r.Tenants)
	if len(rows) == 0 {
		return nil
	}
	for _, t := range rows[:min(len(rows), maxErrors)] {
		grid.Row(string(t.Tenant), strconv.Itoa(t.Wave), string(t.Result), strconv.Itoa(t.Attempts), whyOf(t))
	}
	if more := len(rows) - maxErrors; more > 0 {
		grid.Note("", "", "", "", fmt.Sprintf("and %d more; -o json lists each", more))
	}
	return grid.Write(w, p.Width, p.Color)
}

// resultsText counts tenants by what came of them.
func resultsText(tenants []upgrade.Outcome) string {
	counts := map[upgrade.Result]int64{}
	for _, t := range tenants {
		counts[t.Result]++
	}
	var parts []string
	for _, result := range []upgrade.Result{upgrade.Upgraded, upgrade.Unchanged, upgrade.Reverted, upgrade.Failed, upgrade.Deferred, upgrade.Pending, upgrade.Skipped} {
		if counts[result] > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", look.Count(counts[result]), result))
		}
	}
	return strings.Join(parts, ", ")
}

// needingSomebody are the tenants of which there is something to tell.
func needingSomebody(tenants []upgrade.Outcome) []upgrade.Outcome {
	return slices.DeleteFunc(slices.Clone(tenants), func(t upgrade.Outcome) bool { return whyOf(t) == "" })
}

func whyOf(t upgrade.Outcome) string {
	if t.Failure != nil {
		return t.Failure.String()
	}
	return t.Note
}
