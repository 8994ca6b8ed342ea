package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tenantctl/internal/upgrade"
)

// stepSummary adds to the summary of a GitHub step, where there is one.
func (f *Factory) stepSummary(write func(io.Writer) error) error {
	path, given := f.env("GITHUB_STEP_SUMMARY")
	if !given || path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // the runner's file, which it reads
	if err != nil {
		return fmt.Errorf("write the step's summary: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

// summarizeRollout tells in Markdown what came of a rollout.
func summarizeRollout(r upgrade.Report) func(io.Writer) error {
	return func(w io.Writer) error {
		var text strings.Builder
		fmt.Fprintf(&text, "## Rollout %s: %s\n\nTo %s, %s.\n\n", r.Rollout.ID, r.Rollout.State, upgrade.TargetsText(r.Rollout.Targets), resultsText(r.Tenants))
		if r.Rollout.Error != "" {
			fmt.Fprintf(&text, "%s\n\n", cell(r.Rollout.Error))
		}
		fmt.Fprint(&text, "| wave | ring | tenants | done | failed | gates |\n|---|---|---|---|---|---|\n")
		for _, wave := range r.Rollout.Waves {
			done, failed := r.CountWave(wave.Number)
			fmt.Fprintf(&text, "| %d | %s | %d | %d | %d | %s |\n", wave.Number, wave.Ring, wave.Size, done, failed, cell(gatesOf(r, wave.Number)))
		}
		if rows := needingSomebody(r.Tenants); len(rows) > 0 {
			fmt.Fprint(&text, "\n| tenant | wave | result | why |\n|---|---|---|---|\n")
			for _, t := range rows[:min(len(rows), maxErrors)] {
				fmt.Fprintf(&text, "| %s | %d | %s | %s |\n", t.Tenant, t.Wave, t.Result, cell(whyOf(t)))
			}
			if more := len(rows) - maxErrors; more > 0 {
				fmt.Fprintf(&text, "\nand %d more.\n", more)
			}
		}
		_, err := io.WriteString(w, text.String()+"\n")
		return err
	}
}

// cell is text as it may stand in a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", "", "<", "&lt;").Replace(text)
}
