package report

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"tenantctl/internal/lint"
)

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name  string      `json:"name"`
	Rules []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string             `json:"id"`
	Name             string             `json:"name"`
	ShortDescription sarifText          `json:"shortDescription"`
	FullDescription  sarifText          `json:"fullDescription"`
	Help             sarifText          `json:"help"`
	Configuration    sarifConfiguration `json:"defaultConfiguration"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
}

// SARIF writes a SARIF 2.1.0 log, with suppressed findings marked as such.
func SARIF(w io.Writer, found *lint.Report) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver.Name = "tenantctl lint"
	index := map[string]int{}
	for i, rule := range lint.Rules() {
		index[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: rule.ID, Name: rule.Name, ShortDescription: sarifText{Text: rule.What}, FullDescription: sarifText{Text: rule.Why},
			Help: help(rule), Configuration: sarifConfiguration{level(rule.Severity)},
		})
	}
	for _, service := range found.Services {
		for _, file := range service.Files {
			for _, f := range file.Findings {
				run.Results = append(run.Results, result(file.Path, f, index))
			}
			for _, f := range file.Suppressed {
				r := result(file.Path, f, index)
				r.Suppressions = []sarifSuppression{{Kind: "inSource", Justification: f.Reason}}
				run.Results = append(run.Results, r)
			}
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	return nil
}

func result(path string, f lint.Finding, index map[string]int) sarifResult {
	message := text(f) + "."
	if safe := f.Rewrite.String(); safe != "" {
		message += "\nInstead:\n" + safe
	}
	return sarifResult{
		RuleID: f.Rule, RuleIndex: index[f.Rule], Level: level(f.Severity), Message: sarifText{Text: message},
		Locations: []sarifLocation{{sarifPhysical{sarifArtifact{uri(path)}, sarifRegion{max(f.Line, 1), max(f.Column, 1)}}}},
	}
}

// level is SARIF's word for a severity.
func level(s lint.Severity) string {
	switch s {
	case lint.Error:
		return "error"
	case lint.Warning:
		return "warning"
	case lint.Info:
	}
	return "note"
}

// uri is a path as a URI reference: relative where the path is.
func uri(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}

// help shows a rule's first example.
func help(rule lint.Rule) sarifText {
	plain := rule.What + ". " + rule.Why
	if len(rule.Examples) == 0 {
		return sarifText{Text: plain}
	}
	bad := shorten(rule.Examples[0].Bad)
	return sarifText{
		Text:     plain + "\n\nFound:\n" + bad,
		Markdown: plain + "\n\n```sql\n" + bad + "\n```\n",
	}
}

const maxHelpLines = 12

// shorten keeps the first lines of an example that is long on purpose.
func shorten(text string) string {
	lines := strings.Split(text, "\n")
	if len(lines) <= maxHelpLines {
		return text
	}
	return strings.Join(append(lines[:maxHelpLines:maxHelpLines], fmt.Sprintf("-- and %d lines more", len(lines)-maxHelpLines)), "\n")
}
