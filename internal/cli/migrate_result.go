package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/tenant"
)

// moveResult is what migrate and cutover print.
type moveResult struct {
	Operation *tenant.Operation `json:"operation"`
	Report    *migrate.Report   `json:"report,omitempty"`
}

func (f *Factory) printMoved(result *migrate.Result) error {
	name := result.Operation.Tenant
	return f.printMove("MoveResult", moveResult{&result.Operation, result.Report}, func(w io.Writer, p output.Printer) error {
		if _, err := fmt.Fprintf(w, "%s lives on the platform now\n", name); err != nil || result.Report == nil {
			return err
		}
		if err := writeReport(w, p, result.Report); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "\nThe legacy database stays as it is, read only. Until `tenantctl complete %[1]s`, `tenantctl rollback %[1]s` goes back to it.\n", name)
		return err
	})
}

// printStanding prints where a move stands that was told to stop.
func (f *Factory) printStanding(op *tenant.Operation) error {
	return f.printMove("MoveResult", moveResult{Operation: op}, func(w io.Writer, _ output.Printer) error {
		_, err := fmt.Fprintf(w, "the move of %s has done `%s`\n", op.Tenant, op.Phase)
		return err
	})
}

func (f *Factory) printMove(kind string, result moveResult, table func(io.Writer, output.Printer) error) error {
	p := f.Printer()
	return p.One(kind, result, output.View{
		Names: []string{"operation/" + result.Operation.ID},
		Table: func(w io.Writer) error { return table(w, p) },
	})
}

func writeJSON(file string, value any) error {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return writeFile(file, append(body, '\n'))
}

// maxTables is how many tables a report for people spells out.
const maxTables = 40

// writeReport writes a proof for people: what was compared, where, and everything that isn't the same on purpose.
func writeReport(w io.Writer, p output.Printer, r *migrate.Report) error {
	var text strings.Builder
	verdict := "equal: every row arrived as it was sent"
	if !r.Equal {
		verdict = "NOT equal"
	}
	facts := [][2]string{
		{"proof", verdict},
		{"rows", fmt.Sprintf("%s in %s, %s", look.Count(r.Rows), look.Plural(int64(len(r.Tables)), "table", "tables"), look.Bytes(r.Bytes))},
		{"sequences", fmt.Sprint(r.Sequences)},
		{"position", fmt.Sprintf("%s, fenced %s", r.FenceLSN, r.FencedAt.Local().Format(time.DateTime))},
		{"method", r.Hash},
		{"read back", "in " + look.Duration(r.Elapsed)},
	}
	for _, fact := range facts {
		fmt.Fprintf(&text, "  %-11s %s\n", fact[0], fact[1])
	}
	text.WriteByte('\n')
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	if err := writeProofs(w, p, r.Tables); err != nil {
		return err
	}
	if err := writeGenerated(w, r.Generated); err != nil {
		return err
	}
	return writeDeliberate(w, r)
}

// writeProofs lists the tables, those that differ first, then the largest.
func writeProofs(w io.Writer, p output.Printer, proofs []verify.Proof) error {
	ordered := slices.Clone(proofs)
	slices.SortStableFunc(ordered, func(a, b verify.Proof) int {
		if a.Equal != b.Equal {
			if a.Equal {
				return 1
			}
			return -1
		}
		return int(min(max(b.Read.Bytes-a.Read.Bytes, -1), 1))
	})
	grid := output.NewGrid("TABLE", ">ROWS", ">BYTES", "FROM", "PROOF").Style("equal", terminal.Green).Style("DIFFERS", terminal.Red)
	for _, proof := range ordered[:min(len(ordered), maxTables)] {
		verdict := "equal"
		if !proof.Equal {
			verdict = "DIFFERS"
		}
		grid.Row(proof.Target.Schema+"."+proof.Target.Name, look.Count(proof.Read.Rows), look.Bytes(proof.Read.Bytes), strings.Join(proof.Sources, ", "), verdict)
	}
	if err := grid.Write(w, 0, p.Color); err != nil {
		return err
	}
	for _, proof := range ordered {
		for _, line := range differences(proof) {
			if _, err := fmt.Fprintf(w, "%s.%s: %s\n", proof.Target.Schema, proof.Target.Name, line); err != nil {
				return err
			}
		}
	}
	if more := len(ordered) - maxTables; more > 0 {
		_, err := fmt.Fprintf(w, "and %s; -o json has them all\n", look.Plural(int64(more), "smaller table", "smaller tables"))
		return err
	}
	return nil
}

// writeGenerated tells of the columns that no copy brought.
func writeGenerated(w io.Writer, proofs []verify.Proof) error {
	var text strings.Builder
	for _, proof := range proofs {
		verdict := "equal on both sides"
		if !proof.Equal {
			verdict = "DIFFER"
		}
		table := proof.Target.Schema + "." + proof.Target.Name
		fmt.Fprintf(&text, "%s: generated columns %s: %s\n", table, strings.Join(proof.Generated, ", "), verdict)
		for _, line := range differences(proof) {
			fmt.Fprintf(&text, "%s: %s\n", table, line)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// differences are lines about rows that differ, by key.
func differences(proof verify.Proof) []string {
	if proof.Equal {
		return nil
	}
	lines := []string{fmt.Sprintf("the legacy database sent %s, the tenant holds %s", look.Plural(proof.Source.Rows, "row", "rows"), look.Plural(proof.Read.Rows, "row", "rows"))}
	d := proof.Differences
	if d == nil {
		return lines
	}
	for _, kind := range []struct {
		word  string
		keys  []string
		count int64
	}{{"missing", d.Missing, d.MissingCount}, {"extra", d.Extra, d.ExtraCount}, {"changed", d.Changed, d.ChangedCount}} {
		if kind.count > 0 {
			lines = append(lines, fmt.Sprintf("%s %s: %s", look.Count(kind.count), kind.word, listed(kind.keys)))
		}
	}
	return lines
}

// writeDeliberate lists what isn't the same on purpose.
func writeDeliberate(w io.Writer, r *migrate.Report) error {
	var text strings.Builder
	section := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&text, "\n%s:\n", title)
		for _, line := range lines {
			fmt.Fprintf(&text, "  %s\n", line)
		}
	}
	section("left behind by the mapping", leftLines(r.Ignored))
	section("rows left behind by the mapping", leftLines(r.Filtered))
	section("left behind besides, and why", r.LeftBehind)
	section("rewritten, since it names a schema in text", r.Rewritten)
	section("one-way: can't be had back from the platform's tables", r.OneWay)
	_, err := io.WriteString(w, text.String())
	return err
}

func leftLines(left []migrate.Left) []string {
	lines := make([]string, len(left))
	for i, l := range left {
		lines[i] = l.Object + ": " + l.Reason
		if l.Rows > 0 {
			lines[i] += fmt.Sprintf(" (%s)", look.Plural(l.Rows, "row", "rows"))
		}
	}
	return lines
}
