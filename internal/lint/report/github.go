package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"tenantctl/internal/lint"
)

// maxAnnotations is how many annotations of a severity GitHub keeps of a step.
const maxAnnotations = 10

// annotation is all that one rule found in one file.
type annotation struct {
	severity lint.Severity
	path     string
	first    lint.Finding
	lines    []int
}

// GitHub writes annotations, one for each rule and file, the gravest first. Of more than GitHub keeps, the last says how many
// there are.
func GitHub(w io.Writer, found *lint.Report) error {
	for _, severity := range lint.Severities() {
		all := annotations(found, severity)
		kept := all
		if len(all) > maxAnnotations {
			kept = all[:maxAnnotations-1]
		}
		for _, a := range kept {
			if _, err := fmt.Fprintf(w, "::%s file=%s,line=%d,title=%s::%s\n", command(severity), property(a.path), a.first.Line, property(title(a.first)), data(a.message())); err != nil {
				return fmt.Errorf("write annotations: %w", err)
			}
		}
		if more := len(all) - len(kept); more > 0 {
			if _, err := fmt.Fprintf(w, "::%s title=tenantctl lint::%d more of severity %s; the step's summary lists all\n", command(severity), more, severity); err != nil {
				return fmt.Errorf("write annotations: %w", err)
			}
		}
	}
	return nil
}

func annotations(found *lint.Report, severity lint.Severity) []*annotation {
	var all []*annotation
	for _, service := range found.Services {
		for _, file := range service.Files {
			byRule := map[string]*annotation{}
			for _, f := range file.Findings {
				if f.Severity != severity {
					continue
				}
				a := byRule[f.Rule]
				if a == nil {
					a = &annotation{severity: severity, path: file.Path, first: f}
					byRule[f.Rule] = a
					all = append(all, a)
				}
				if !slices.Contains(a.lines, f.Line) {
					a.lines = append(a.lines, f.Line)
				}
			}
		}
	}
	return all
}

func (a *annotation) message() string {
	message := text(a.first) + "."
	if len(a.lines) > 1 {
		message += fmt.Sprintf(" Also in line%s %s.", plural(len(a.lines)-1), numbers(a.lines[1:]))
	}
	message += " " + a.first.Why
	if safe := a.first.Rewrite.String(); safe != "" {
		message += "\nInstead:\n" + safe
	}
	return message
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func numbers(lines []int) string {
	texts := make([]string, len(lines))
	for i, line := range lines {
		texts[i] = fmt.Sprint(line)
	}
	return strings.Join(texts, ", ")
}

// command is GitHub's word for a severity.
func command(s lint.Severity) string {
	if s == lint.Info {
		return "notice"
	}
	return string(s)
}

// data escapes a message, property a value before it.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}

// Summary writes what was found as a table of Markdown.
func Summary(w io.Writer, found *lint.Report) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### tenantctl lint\n\n%s\n", Counts(found))
	if found.Count(lint.Error)+found.Count(lint.Warning)+found.Count(lint.Info) > 0 {
		out.WriteString("\n| severity | rule | where | what |\n|---|---|---|---|\n")
	}
	for _, severity := range lint.Severities() {
		for _, service := range found.Services {
			for _, file := range service.Files {
				for _, f := range file.Findings {
					if f.Severity == severity {
						fmt.Fprintf(&out, "| %s | %s | %s:%d | %s |\n", severity, title(f), cell(file.Path), f.Line, cell(text(f)))
					}
				}
			}
		}
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// Counts says in a line how much of what was found.
func Counts(found *lint.Report) string {
	files := 0
	for _, service := range found.Services {
		files += len(service.Files)
	}
	count := func(n int, word string) string { return fmt.Sprintf("%d %s%s", n, word, plural(n)) }
	return fmt.Sprintf("%s, %s, %s in %s; %d suppressed", count(found.Count(lint.Error), "error"), count(found.Count(lint.Warning), "warning"),
		count(found.Count(lint.Info), "note"), count(files, "file"), found.Suppressed())
}
