package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"tenantctl/internal/lint"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Failure *junitFailure `xml:"failure"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a suite for each service and a case for each file. A file fails where something is as grave as failAt; what is less
// grave is its output.
func JUnit(w io.Writer, found *lint.Report, failAt lint.Severity) error {
	all := junitSuites{Name: "tenantctl lint"}
	for _, service := range found.Services {
		suite := junitSuite{Name: service.Service, Tests: len(service.Files)}
		for _, file := range service.Files {
			suite.Cases = append(suite.Cases, caseOf(service.Service, file, failAt))
			if suite.Cases[len(suite.Cases)-1].Failure != nil {
				suite.Failures++
			}
		}
		all.Tests, all.Failures = all.Tests+suite.Tests, all.Failures+suite.Failures
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

func caseOf(service string, file lint.FileReport, failAt lint.Severity) junitCase {
	c := junitCase{Name: file.Path, Class: service, File: file.Path}
	var failures, rest []string
	var first lint.Finding
	for _, f := range file.Findings {
		line := fmt.Sprintf("%s:%d: %s %s: %s", file.Path, f.Line, f.Severity, title(f), text(f))
		if safe := f.Rewrite.String(); safe != "" {
			line += "\n  instead:\n    " + strings.ReplaceAll(safe, "\n", "\n    ")
		}
		if failAt == "" || !f.Severity.AtLeast(failAt) {
			rest = append(rest, line)
			continue
		}
		if len(failures) == 0 {
			first = f
		}
		failures = append(failures, line)
	}
	if len(failures) > 0 {
		c.Failure = &junitFailure{Message: title(first) + ": " + text(first), Type: first.Rule, Text: strings.Join(failures, "\n")}
		if more := len(failures) - 1; more > 0 {
			c.Failure.Message += fmt.Sprintf(" (and %d more)", more)
		}
	}
	c.Out = strings.Join(rest, "\n")
	return c
}
