package cli

import (
	"fmt"
	"io"
	"strings"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/lint"
	"tenantctl/internal/lint/report"
	"tenantctl/internal/look"
)

// writeLint writes what was found for people: by file, each with why and how instead.
func writeLint(w io.Writer, p output.Printer, found *lint.Report) error {
	var out strings.Builder
	for _, service := range found.Services {
		for _, file := range service.Files {
			for _, f := range file.Findings {
				writeLintFinding(&out, p, file.Path, f)
			}
		}
	}
	out.WriteString(report.Counts(found) + "\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func writeLintFinding(out *strings.Builder, p output.Printer, path string, f lint.Finding) {
	severity := string(f.Severity)
	if p.Color {
		severity = map[lint.Severity]terminal.Style{lint.Error: terminal.Red, lint.Warning: terminal.Yellow}[f.Severity].Paint(severity)
	}
	fmt.Fprintf(out, "%s:%d:%d: %s: %s [%s %s]\n", path, f.Line, f.Column, severity, f.Message, f.Rule, f.Name)
	if f.Size != nil {
		fmt.Fprintf(out, "    size: about %s, %s in tenant %s\n", look.Plural(f.Size.Rows, "row", "rows"), look.Bytes(f.Size.Bytes), f.Size.Tenant)
	}
	fmt.Fprintf(out, "    why:  %s\n", f.Why)
	for i, line := range strings.Split(f.Rewrite.String(), "\n") {
		head := "     "
		if i == 0 {
			head = "safe:"
		}
		if line != "" {
			fmt.Fprintf(out, "    %s %s\n", head, line)
		}
	}
	out.WriteString("\n")
}
