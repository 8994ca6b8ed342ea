package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Report is the proof of a move: what was compared, at which position, and all that isn't the same on purpose.
type Report struct {
	Version    int               `json:"version"`
	Tenant     tenant.Name       `json:"tenant"`
	Operation  string            `json:"operation"`
	At         time.Time         `json:"at"`
	FenceLSN   string            `json:"fenceLSN"`   // the legacy server's position, behind which nothing was written
	FencedAt   time.Time         `json:"fencedAt"`   //
	Hash       string            `json:"hash"`       // how rows are summed
	Equal      bool              `json:"equal"`      //
	Rows       int64             `json:"rows"`       // proven
	Bytes      int64             `json:"bytes"`      // in COPY form
	Tables     []verify.Proof    `json:"tables"`     //
	Generated  []verify.Proof    `json:"generated"`  // of columns that both sides store and neither copies
	Sequences  int               `json:"sequences"`  // carried
	Ignored    []Left            `json:"ignored"`    // by the mapping
	Filtered   []Left            `json:"filtered"`   // by its where clauses
	OneWay     []string          `json:"oneWay"`     // legacy columns that can't be had back from the platform
	LeftBehind []string          `json:"leftBehind"` // objects that a tenant's schema can't hold, by name
	Findings   []inspect.Finding `json:"findings"`   // all that inspect had to say, what isn't carried among it
	Rewritten  []string          `json:"rewritten"`  // references held as text
	Elapsed    time.Duration     `json:"elapsed"`    // reading back
}

const (
	proofReport   = "proof"
	reportVersion = 1
	hashName      = "sum of XXH3-128 over rows in COPY form, seeded per move"
)

// verify reads the tenant's rows back and compares them with what the legacy database sent while it stood still.
func (m *Move) verify(ctx context.Context) error {
	sent, err := rowMarks{marks{m}}.sums(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	reader := verify.Reader{Dial: m.dialRows, Jobs: m.Jobs, ChunkBytes: m.plan.ChunkBytes, Seed: m.plan.Seed}
	read, err := reader.Target(ctx, m.plan.Tables, m.plan.TargetNum)
	if err != nil {
		return err
	}
	if err := m.countFiltered(ctx); err != nil {
		return err
	}
	generated, err := m.verifyGenerated(ctx)
	if err != nil {
		return err
	}
	report := m.newReport(verify.Compare(m.plan.Tables, sent, read), generated, time.Since(began))
	state, err := m.fence().Check(ctx)
	if err != nil {
		return m.weakened(err)
	}
	report.FenceLSN, report.FencedAt = state.LSN, state.SetAt
	if err := m.descend(ctx, m.plan.Tables, report.Tables); err != nil {
		return err
	}
	if err := m.Registry.SaveReport(ctx, m.op.ID, proofReport, report); err != nil {
		return err
	}
	if !report.Equal {
		return tenant.WithHint(report.difference(), fmt.Sprintf("`tenantctl verify %[1]s` shows every table; `tenantctl rollback %[1]s` gives the client its writes back", m.Spec.Name))
	}
	return nil
}

func (m *Move) newReport(proofs, generated []verify.Proof, elapsed time.Duration) Report {
	report := Report{
		Version: reportVersion, Tenant: m.Spec.Name, Operation: m.op.ID, At: time.Now().UTC(), Hash: hashName, Equal: true,
		Tables: proofs, Generated: generated, Sequences: len(m.plan.Sequences), Elapsed: elapsed,
	}
	for _, proof := range proofs {
		report.Equal = report.Equal && proof.Equal
		report.Rows += proof.Read.Rows
		report.Bytes += proof.Read.Bytes
	}
	for _, proof := range generated {
		report.Equal = report.Equal && proof.Equal
	}
	report.Findings = m.plan.Findings
	for _, finding := range m.plan.Findings {
		if finding.Code == "database-wide" || finding.Code == "foreign-key-cut" || finding.Code == "schema-comment" {
			report.LeftBehind = append(report.LeftBehind, finding.Object+": "+finding.Message)
		}
	}
	for _, rewrite := range m.plan.Rewrites {
		report.Rewritten = append(report.Rewritten, fmt.Sprintf("%s: %s -> %s", rewrite.Object, rewrite.From, rewrite.To))
	}
	if mapped := m.plan.Mapped; mapped != nil {
		report.Ignored, report.Filtered, report.OneWay = mapped.Ignored, mapped.Filtered, mapped.OneWay
	}
	return report
}

// countFiltered counts the rows that where clauses leave behind, while the legacy database stands still.
func (m *Move) countFiltered(ctx context.Context) error {
	if m.plan.Mapped == nil || len(m.plan.Mapped.Filtered) == 0 {
		return nil
	}
	conn, err := m.dialSource(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	reasons := map[string]string{}
	for _, left := range m.plan.Mapped.Filtered {
		reasons[left.Object] = left.Reason
	}
	m.plan.Mapped.Filtered = nil
	for _, t := range m.plan.Tables {
		if t.Where == "" {
			continue
		}
		left := Left{Object: t.Name, Reason: reasons[t.Name]}
		sql := fmt.Sprintf("select count(*) from only %s where (%s) is not true", postgres.Ident(t.Source.Schema, t.Source.Name), t.Where)
		if err := conn.QueryRow(ctx, sql).Scan(&left.Rows); err != nil {
			return fmt.Errorf("count the rows of %s that stay behind: %w", t.Name, err)
		}
		m.plan.Mapped.Filtered = append(m.plan.Mapped.Filtered, left)
	}
	return nil
}

// descend names the rows of the targets that differ; tables are the ways that the proofs are of.
func (m *Move) descend(ctx context.Context, tables []copy.Table, proofs []verify.Proof) error {
	for i, proof := range proofs {
		if proof.Equal {
			continue
		}
		var feeding []copy.Table
		for _, t := range tables {
			if t.Target == proof.Target {
				feeding = append(feeding, t)
			}
		}
		differences, err := verify.Descend(ctx, m.dialSource, m.dialRows, feeding, m.plan.Seed)
		if err != nil {
			return err
		}
		proofs[i].Differences = differences
	}
	return nil
}

// difference is the error of a proof that failed.
func (r Report) difference() error {
	var differing []error
	for _, proof := range slices.Concat(r.Tables, r.Generated) {
		if proof.Equal {
			continue
		}
		text := fmt.Sprintf("%s.%s: the legacy sent %d rows, the tenant holds %d", proof.Target.Schema, proof.Target.Name, proof.Source.Rows, proof.Read.Rows)
		if len(proof.Generated) > 0 {
			text = staleGenerated(proof)
		}
		if d := proof.Differences; d != nil {
			text += fmt.Sprintf("; %d missing %v, %d extra %v, %d changed %v", d.MissingCount, d.Missing, d.ExtraCount, d.Extra, d.ChangedCount, d.Changed)
		}
		differing = append(differing, errors.New(text))
	}
	return fmt.Errorf("the tenant's rows are not the legacy's: %w", errors.Join(differing...))
}

// Result is what a run of a move comes to.
type Result struct {
	Operation tenant.Operation `json:"operation"`
	Plan      *Plan            `json:"-"`
	Report    *Report          `json:"report,omitempty"` // nil before the proof
}

func (m *Move) result(ctx context.Context) (*Result, error) {
	op, err := m.Registry.Operation(ctx, m.op.ID)
	if err != nil {
		return nil, err
	}
	result := &Result{Operation: op, Plan: m.plan}
	result.Report, err = LastReport(ctx, m.Registry, m.op.ID)
	return result, err
}

// Reports is where proofs are kept.
type Reports interface {
	Report(ctx context.Context, operation, kind string) (json.RawMessage, error)
}

// LastReport is the proof of an operation, or nil where there is none yet.
func LastReport(ctx context.Context, reports Reports, operation string) (*Report, error) {
	body, err := reports.Report(ctx, operation, proofReport)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var report Report
	if err := json.Unmarshal(body, &report); err != nil {
		return nil, fmt.Errorf("read the proof of operation %s: %w", operation, err)
	}
	return &report, nil
}
