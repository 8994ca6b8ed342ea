package cli

import (
	"fmt"
	"io"
	"strings"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// adoptPlan is what --dry-run prints for programs.
type adoptPlan struct {
	Instance string       `json:"instance"`
	Schemas  []*adoptItem `json:"schemas"`
	Known    int          `json:"known"`             // schemas that are in the fleet already
	Declare  string       `json:"declare,omitempty"` // lines for tenants.yaml
}

func (a *adopter) pending() int {
	n := 0
	for _, item := range a.items {
		if item.pending() {
			n++
		}
	}
	return n
}

// refused are the outcomes of what isn't adopted.
func (a *adopter) refused() []outcome {
	var outcomes []outcome
	for _, item := range a.items {
		if item.refused == nil {
			continue
		}
		name := item.Tenant
		if name == "" {
			name = tenant.Name(item.Schema)
		}
		o := failedOutcome(name, item.refused)
		if len(item.Look) > 0 {
			o.Detail = "look at: " + strings.Join(item.Look, "; ")
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// lines are what tenants.yaml would be given.
func (a *adopter) lines() string {
	var newcomers []config.Newcomer
	for _, item := range a.items {
		if item.newcomer && item.refused == nil {
			newcomers = append(newcomers, item.asNewcomer())
		}
	}
	added, err := a.file.Add(newcomers)
	if err != nil || len(newcomers) == 0 {
		return ""
	}
	return added.Lines
}

func (a *adopter) print() error {
	p := a.Factory.Printer()
	names := []string{}
	for _, item := range a.items {
		if item.pending() {
			names = append(names, "tenant/"+string(item.Tenant))
		}
	}
	plan := adoptPlan{Instance: a.instance, Schemas: a.items, Known: a.known, Declare: a.lines()}
	if plan.Schemas == nil {
		plan.Schemas = []*adoptItem{}
	}
	return p.One("AdoptionPlan", plan, output.View{Names: names, Table: func(w io.Writer) error {
		if err := a.write(w, p); err != nil || plan.Declare == "" {
			return err
		}
		_, err := fmt.Fprintf(w, "tenants.yaml, under tenants:\n%s", plan.Declare)
		return err
	}})
}

func (a *adopter) write(w io.Writer, p output.Printer) error {
	if len(a.items) > 0 {
		grid := output.NewGrid("SCHEMA", "TENANT", "VERSIONS", "OWNER", ">TABLES", ">SIZE", "ACTION").
			Style(actionRefuse, terminal.Red).Style(actionAdopt, terminal.Green)
		for _, item := range a.items {
			grid.Row(item.Schema, string(item.Tenant), tenant.VersionsText(item.Versions), item.Owner, fmt.Sprint(item.Tables), look.Bytes(item.Bytes), item.Action)
		}
		if err := grid.Write(w, p.Width, p.Color); err != nil {
			return err
		}
	}
	var text strings.Builder
	for _, item := range a.items {
		item.tell(&text)
	}
	fmt.Fprintln(&text, a.summary())
	_, err := io.WriteString(w, text.String())
	return err
}

// tell says what the row can't.
func (i *adoptItem) tell(text *strings.Builder) {
	line := func(format string, args ...any) { fmt.Fprintf(text, i.Schema+": "+format+"\n", args...) }
	if i.refused == nil && i.Handed > 0 {
		most := ""
		if !i.Exact {
			most = "at most "
		}
		line("%s%s will belong to the services' owners", most, look.Plural(int64(i.Handed), "object", "objects"))
	}
	if len(i.Losing) > 0 {
		line("no access any more, but by the services' logins: %s", listed(i.Losing))
	}
	if len(i.Foreign) > 0 {
		line("made by no stream, stays as it is: %s", listed(i.Foreign))
	}
	if len(i.Missing) > 0 {
		line("made by the files, and not there: %s", listed(i.Missing))
	}
	for _, note := range i.Notes {
		line("%s", note)
	}
	if i.refused != nil {
		line("%s", oneLine(i.Why))
	}
	for _, look := range i.Look {
		line("look at %s", look)
	}
}

func (a *adopter) summary() string {
	text := fmt.Sprintf("%s to adopt", look.Plural(int64(a.pending()), "schema", "schemas"))
	if a.pending() == 0 {
		text = "nothing to adopt"
	}
	if n := len(a.refused()); n > 0 {
		text += fmt.Sprintf(", %d refused", n)
	}
	if a.known > 0 {
		text += fmt.Sprintf(", %d in the fleet already", a.known)
	}
	return text
}
