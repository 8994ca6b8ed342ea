package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/lint/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample has a finding of every severity, text that every form has to escape, and a suppressed one.
func sample() *lint.Report {
	find := func(rule string, severity lint.Severity, line int, message string) lint.Finding {
		return lint.Finding{
			Rule: rule, Name: "a-name", Severity: severity, Line: line, Column: 3, Object: "orders", Message: message, Why: "Because, of it.",
			Rewrite: lint.Rewrite{Files: []string{"select 1;", "select '<&>';"}, Note: "100% sure"},
		}
	}
	sized := find("R1", lint.Error, 7, `writes to "orders" wait | <now>`)
	sized.Size = &lint.Size{Tenant: "client-x", Rows: 2_000_000, Bytes: 3 << 30}
	suppressed := find("R7", lint.Error, 4, "let be")
	suppressed.Reason = "a dozen rows"
	return &lint.Report{Tenants: 3, Services: []lint.ServiceReport{
		{Service: "billing", Files: []lint.FileReport{
			{Path: "m/001 ä.up.sql", Version: 1, Direction: lint.Up, Findings: []lint.Finding{
				find("R1", lint.Error, 2, "first"), sized, find("R21", lint.Info, 9, "a note"),
			}, Suppressed: []lint.Finding{suppressed}},
			{Path: "m/001 ä.down.sql", Version: 1, Direction: lint.Down, Findings: []lint.Finding{find("R32", lint.Warning, 1, "of a, b: c")}, Suppressed: []lint.Finding{}},
		}},
		{Service: "core", Files: []lint.FileReport{{Path: "builtin/core/001.up.sql", Version: 1, Direction: lint.Up}}},
	}}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"junit.xml":  func(b *bytes.Buffer) error { return report.JUnit(b, sample(), lint.Error) },
		"github.txt": func(b *bytes.Buffer) error { return report.GitHub(b, sample()) },
		"summary.md": func(b *bytes.Buffer) error { return report.Summary(b, sample()) },
		"sarif.json": func(b *bytes.Buffer) error { return report.SARIF(b, sample()) },
	} {
		var out bytes.Buffer
		require.NoError(t, write(&out))
		got := out.String()
		if name == "sarif.json" {
			got = withoutRules(t, out.Bytes())
		}
		file := filepath.Join("testdata", name)
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), got, name)
	}
}

// withoutRules leaves the texts of the rules out, which docs/lint.md has.
func withoutRules(t *testing.T, text []byte) string {
	t.Helper()
	var log map[string]any
	require.NoError(t, json.Unmarshal(text, &log))
	for _, run := range log["runs"].([]any) {
		delete(run.(map[string]any)["tool"].(map[string]any)["driver"].(map[string]any), "rules")
		for _, result := range run.(map[string]any)["results"].([]any) {
			delete(result.(map[string]any), "ruleIndex")
		}
	}
	out, err := json.MarshalIndent(log, "", "  ")
	require.NoError(t, err)
	return string(out) + "\n"
}

// TestSARIF checks what the SARIF 2.1.0 schema requires, and what its readers do beyond it.
func TestSARIF(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, report.SARIF(&out, sample()))
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID               string
						ShortDescription struct{ Text string }
						Help             struct{ Text, Markdown string }
						Configuration    struct{ Level string } `json:"defaultConfiguration"`
					}
				}
			}
			Results []struct {
				RuleID       string
				RuleIndex    int
				Level        string
				Message      struct{ Text string }
				Suppressions []struct{ Kind, Justification string }
				Locations    []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	decoder := json.NewDecoder(&out)
	require.NoError(t, decoder.Decode(&log))
	require.Equal(t, "2.1.0", log.Version)
	require.Contains(t, log.Schema, "sarif")
	require.Len(t, log.Runs, 1)
	driver := log.Runs[0].Tool.Driver
	require.NotEmpty(t, driver.Name)
	levels := []string{"none", "note", "warning", "error"}
	require.Len(t, driver.Rules, len(lint.Rules()))
	for _, rule := range driver.Rules {
		require.NotEmpty(t, rule.ShortDescription.Text)
		require.NotEmpty(t, rule.Help.Text)
		require.Contains(t, levels, rule.Configuration.Level)
	}
	require.Len(t, log.Runs[0].Results, 5)
	suppressed := 0
	for _, result := range log.Runs[0].Results {
		require.Equal(t, result.RuleID, driver.Rules[result.RuleIndex].ID)
		require.Contains(t, levels, result.Level)
		require.NotEmpty(t, result.Message.Text)
		require.Len(t, result.Locations, 1)
		place := result.Locations[0].PhysicalLocation
		uri, err := url.Parse(place.ArtifactLocation.URI)
		require.NoError(t, err)
		require.False(t, uri.IsAbs(), "relative to the repository")
		require.Positive(t, place.Region.StartLine)
		require.Positive(t, place.Region.StartColumn)
		for _, s := range result.Suppressions {
			require.Equal(t, "inSource", s.Kind)
			require.Equal(t, "a dozen rows", s.Justification)
			suppressed++
		}
	}
	require.Equal(t, 1, suppressed)
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, report.JUnit(&out, sample(), ""))
	require.NotContains(t, out.String(), "<failure", "--fail-on never")
	out.Reset()
	require.NoError(t, report.JUnit(&out, sample(), lint.Warning))
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(out.Bytes(), &suites))
	require.Equal(t, []int{3, 2}, []int{suites.Tests, suites.Failures})
	require.Len(t, suites.Suites, 2)
	require.Len(t, suites.Suites[0].Cases, 2)
	require.NotNil(t, suites.Suites[0].Cases[1].Failure)
	require.Nil(t, suites.Suites[1].Cases[0].Failure)
}

// TestGitHubKeepsTen shows that of many annotations ten remain, of which the last tells of the others.
func TestGitHubKeepsTen(t *testing.T) {
	t.Parallel()
	many := &lint.Report{Services: []lint.ServiceReport{{Service: "s"}}}
	for i := range 25 {
		f := lint.Finding{Rule: "R1", Name: "n", Severity: lint.Error, Line: 1, Message: "m"}
		again := f
		again.Line = 5
		many.Services[0].Files = append(many.Services[0].Files, lint.FileReport{Path: fmt.Sprintf("%d.sql", i), Findings: []lint.Finding{f, again}})
	}
	var out bytes.Buffer
	require.NoError(t, report.GitHub(&out, many))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 10)
	require.Contains(t, lines[0], "Also in line 5.")
	require.Contains(t, lines[9], "16 more of severity error")
}
