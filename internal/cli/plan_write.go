package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/operator/reconcile"
)

func (p fleetPlan) write(w io.Writer, printer output.Printer, showSQL bool) error {
	var text strings.Builder
	for _, s := range p.Shared {
		sign, style := signOf([]string{reconcile.ActionChange})
		if s.From == nil {
			sign, style = signOf([]string{reconcile.ActionCreate})
		}
		if printer.Color {
			sign = style.Paint(sign)
		}
		fmt.Fprintf(&text, "%s %s\n", sign, sharedText(s, "bring"))
	}
	for _, t := range p.Tenants {
		writeTenantPlan(&text, t, printer.Color, showSQL)
	}
	if len(p.Undeclared) > 0 {
		fmt.Fprintf(&text, "left alone, since tenants.yaml doesn't declare them: %s\n", listed(p.Undeclared))
	}
	fmt.Fprintln(&text, p.summary())
	_, err := io.WriteString(w, text.String())
	return err
}

// summary is the plan in a line.
func (p fleetPlan) summary() string {
	n := p.pending()
	text := fmt.Sprintf("%s to change, %s as declared", look.Plural(int64(n), "tenant", "tenants"), look.Count(int64(p.Unchanged)))
	if n == 0 && len(p.Shared) == 0 {
		text = fmt.Sprintf("nothing to do: %s as declared", look.Plural(int64(p.Unchanged), "tenant is", "tenants are"))
	}
	if rest := len(p.Tenants) - n; rest > 0 {
		text += fmt.Sprintf(", %s left to you", look.Count(int64(rest)))
	}
	return text
}

// signOf is how an action is marked, and colored on a terminal.
func signOf(actions []string) (string, terminal.Style) {
	switch {
	case slices.Contains(actions, reconcile.ActionCreate):
		return "+", terminal.Green
	case slices.Contains(actions, reconcile.ActionDelete), slices.Contains(actions, reconcile.ActionBlocked):
		return "!", terminal.Red
	}
	return "~", terminal.Yellow
}

func writeTenantPlan(text *strings.Builder, t reconcile.Plan, color, showSQL bool) {
	sign, style := signOf(t.Actions)
	if color {
		sign = style.Paint(sign)
	}
	fmt.Fprintf(text, "%s %s: %s in %s/%s%s\n", sign, t.Tenant, strings.Join(t.Actions, ", "), t.Instance, t.Schema, stateText(t))
	if t.Note != "" {
		fmt.Fprintf(text, "    %s\n", strings.ReplaceAll(t.Note, "\n", "\n    "))
	}
	for _, step := range t.Steps {
		fmt.Fprintf(text, "    %s\n", step.Describe)
		if !showSQL {
			continue
		}
		for _, sql := range step.SQL {
			fmt.Fprintf(text, "        %s;\n", strings.ReplaceAll(strings.TrimSpace(sql), "\n", "\n        "))
		}
	}
	if len(t.Foreign) > 0 {
		fmt.Fprintf(text, "    not tenantctl's, left alone: %s\n", listed(t.Foreign))
	}
}

func stateText(t reconcile.Plan) string {
	if t.From == "" || t.From == t.To {
		return ""
	}
	return fmt.Sprintf(" (%s -> %s)", t.From, t.To)
}
