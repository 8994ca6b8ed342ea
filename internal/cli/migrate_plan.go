package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/cutover"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// movePlan is what migrate --plan prints.
type movePlan struct {
	Tenant     tenant.Name       `json:"tenant"`
	Mode       string            `json:"mode"`
	Kind       string            `json:"move"`             // lift or mapping
	Estimate   float64           `json:"estimatedSeconds"` // that writes stop
	Schemas    []string          `json:"schemas"`
	Path       []string          `json:"path"`
	Tables     []plannedTable    `json:"tables"`
	Steps      []plannedStep     `json:"steps"`
	Findings   []inspect.Finding `json:"findings"`
	Rewrites   []lift.Rewrite    `json:"rewrites,omitempty"`
	Ignored    []migrate.Left    `json:"ignored,omitempty"`
	Filtered   []migrate.Left    `json:"filtered,omitempty"`
	OneWay     []string          `json:"oneWay,omitempty"`
	Extensions map[string]string `json:"extensions,omitempty"`
}

type plannedTable struct {
	From   string      `json:"from"`
	To     string      `json:"to"`
	Rows   int64       `json:"rows"` // estimated by the legacy server
	Bytes  int64       `json:"bytes"`
	Chunks int         `json:"chunks"`
	Format copy.Format `json:"format"`
}

type plannedStep struct {
	Name     string   `json:"name"`
	Describe string   `json:"describe"`
	Estimate float64  `json:"estimatedSeconds,omitempty"`
	SQL      []string `json:"sql,omitempty"`
}

// showMovePlan prints what a move would do, and touches nothing.
func (f *Factory) showMovePlan(ctx context.Context, m *mover) error {
	m.scratch.warm(ctx)
	plan, err := migrate.Prepare(ctx, m.config, planID(m.name()))
	if err != nil {
		return err
	}
	home, err := reconcile.See(ctx, f.homesOf(m.records), []reconcile.Tenant{{Name: m.name(), Declared: true, Spec: m.config.Spec}})
	if err != nil {
		return err
	}
	if err := home[m.name()].Err; err != nil {
		return err
	}
	var homeSQL []string
	for _, step := range home[m.name()].Plan.Steps {
		homeSQL = append(homeSQL, step.SQL...)
	}
	shown := viewOfMove(m, plan, homeSQL)
	p := f.Printer()
	return p.One("MovePlan", shown, output.View{Table: func(w io.Writer) error { return shown.write(w, p) }})
}

// planID names the scratch database of a plan that is only shown.
func planID(name tenant.Name) string { return "plan_" + name.Ident() }

// What part of the time that writes stop each phase is expected to take.
const (
	copyShare   = 0.45
	indexShare  = 0.3
	verifyShare = 0.25
)

// viewOfMove puts a plan into the form that is printed; homeSQL makes the tenant's home.
func viewOfMove(m *mover, plan *migrate.Plan, homeSQL []string) movePlan {
	shown := movePlan{
		Tenant: m.name(), Mode: modeOffline, Kind: "lift", Estimate: plan.Estimate.Seconds(), Schemas: plan.Schemas, Path: plan.Path,
		Tables: []plannedTable{}, Findings: plan.Findings, Rewrites: plan.Rewrites, Extensions: plan.Extensions,
	}
	if shown.Findings == nil {
		shown.Findings = []inspect.Finding{}
	}
	if plan.Mapped != nil {
		shown.Kind = "mapping"
		shown.Ignored, shown.Filtered, shown.OneWay = plan.Mapped.Ignored, plan.Mapped.Filtered, plan.Mapped.OneWay
	}
	for _, t := range plan.Tables {
		shown.Tables = append(shown.Tables, plannedTable{
			From: t.Name, To: t.Target.Schema + "." + t.Target.Name, Rows: t.Source.Rows, Bytes: t.Source.Bytes,
			Chunks: len(t.Chunks(plan.ChunkBytes, plan.Version)), Format: t.Format,
		})
	}
	slices.SortStableFunc(shown.Tables, func(a, b plannedTable) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	database := ""
	if config, err := pgx.ParseConfig(m.config.Source); err == nil {
		database = config.Database
	}
	shown.Steps = stepsOf(plan, homeSQL, database)
	return shown
}

// stepsOf are the phases in order.
func stepsOf(plan *migrate.Plan, homeSQL []string, legacyDatabase string) []plannedStep {
	seconds := func(share float64) float64 {
		return time.Duration(float64(plan.Estimate) * share).Round(100 * time.Millisecond).Seconds()
	}
	rows, bytes := int64(0), int64(0)
	for _, t := range plan.Tables {
		rows, bytes = rows+t.Source.Rows, bytes+t.Source.Bytes
	}
	tables := look.Plural(int64(len(plan.Tables)), "table", "tables")
	schema := "make tables and types, without indexes"
	if plan.Mapped != nil {
		schema += "; take indexes and constraints off the tables that the mapping fills"
	}
	return []plannedStep{
		{Name: migrate.PhaseInspect, Describe: "read the legacy database and decide what becomes of it (this is the result)"},
		{Name: migrate.PhaseProvision, Describe: "make the tenant's schemas and roles: " + strings.Join(plan.Schemas, ", "), SQL: append(homeSQL, provisionSQL(plan)...)},
		{Name: migrate.PhaseSchema, Describe: schema, SQL: statements(plan.Pre)},
		{Name: migrate.PhaseFence, Describe: "hold the tenant's traffic and stop writes to the legacy database, until rollback or for good", SQL: fenceSQL(plan, legacyDatabase)},
		{Name: migrate.PhaseCopy, Describe: fmt.Sprintf("copy about %s, %s of %s", look.Plural(rows, "row", "rows"), look.Bytes(bytes), tables), Estimate: seconds(copyShare), SQL: copySQL(plan)},
		{Name: migrate.PhaseIndex, Describe: "build indexes, constraints and triggers; set sequences; analyze", Estimate: seconds(indexShare), SQL: indexSQL(plan)},
		{Name: migrate.PhaseVerify, Describe: "read every row back and compare it with what the legacy database sent", Estimate: seconds(verifyShare)},
		{Name: migrate.PhaseCutover, Describe: "send the tenant's traffic to the platform"},
	}
}

func statements(list []ddl.Statement) []string {
	sql := make([]string, len(list))
	for i, s := range list {
		sql[i] = s.SQL
	}
	return sql
}

// provisionSQL is what a move makes beside what provision makes of every tenant.
func provisionSQL(plan *migrate.Plan) []string {
	var sql []string
	for _, schema := range plan.Schemas[1:] {
		sql = append(sql, "create schema "+postgres.Ident(schema))
	}
	for name, schema := range plan.Extensions {
		sql = append(sql, "create extension if not exists "+postgres.Ident(name)+" schema "+postgres.Ident(schema))
	}
	slices.Sort(sql)
	return sql
}

// fenceSQL is what stops writes, in one transaction on the legacy database. Partitioned tables get the trigger, too.
func fenceSQL(plan *migrate.Plan, database string) []string {
	sql := []string{"alter database " + postgres.Ident(database) + " set default_transaction_read_only = on"}
	for _, t := range plan.Tables {
		sql = append(sql, fmt.Sprintf("create trigger %[1]s before insert or update or delete or truncate on %[2]s for each statement execute function %[1]s.refuse()",
			cutover.Schema, t.Name))
	}
	return sql
}

func copySQL(plan *migrate.Plan) []string {
	var sql []string
	for _, t := range plan.Tables {
		for _, chunk := range t.Chunks(plan.ChunkBytes, plan.Version) {
			sql = append(sql, t.CopyOut(t.SelectSQL(chunk)))
		}
	}
	return sql
}

func indexSQL(plan *migrate.Plan) []string {
	sql := statements(plan.Post)
	for _, view := range plan.Refresh {
		sql = append(sql, "refresh materialized view "+view)
	}
	return sql
}

// shownStatements is how many statements of a step a table shows, and how many lines of each.
const (
	shownStatements = 3
	shownLines      = 4
)

func (p movePlan) write(w io.Writer, printer output.Printer) error {
	var text strings.Builder
	how := "carried as it is"
	if p.Kind == "mapping" {
		how = "by its mapping"
	}
	fmt.Fprintf(&text, "%s is moved offline, %s; writes to its legacy database stop for about %s\n\n", p.Tenant, how, look.Duration(time.Duration(p.Estimate*float64(time.Second))))
	for i, step := range p.Steps {
		about := ""
		if step.Estimate > 0 {
			about = ", about " + look.Duration(time.Duration(step.Estimate*float64(time.Second)))
		}
		fmt.Fprintf(&text, "%d. %s: %s%s\n", i+1, step.Name, step.Describe, about)
		writeSQL(&text, step.SQL)
	}
	text.WriteByte('\n')
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	grid := output.NewGrid("TABLE", "TO", ">ROWS", ">BYTES", ">CHUNKS")
	for _, t := range p.Tables[:min(len(p.Tables), maxTables)] {
		grid.Row(t.From, t.To, "~"+look.Count(t.Rows), look.Bytes(t.Bytes), fmt.Sprint(t.Chunks))
	}
	if err := grid.Write(w, printer.Width, printer.Color); err != nil {
		return err
	}
	if more := len(p.Tables) - maxTables; more > 0 {
		if _, err := fmt.Fprintf(w, "and %s; -o yaml has them all\n", look.Plural(int64(more), "smaller table", "smaller tables")); err != nil {
			return err
		}
	}
	if err := writeDeliberate(w, &migrate.Report{Ignored: p.Ignored, Filtered: p.Filtered, OneWay: p.OneWay, Rewritten: rewriteLines(p.Rewrites)}); err != nil {
		return err
	}
	return writeFindings(w, printer, p.Findings)
}

func rewriteLines(rewrites []lift.Rewrite) []string {
	lines := make([]string, len(rewrites))
	for i, r := range rewrites {
		lines[i] = fmt.Sprintf("%s: %s -> %s", r.Object, r.From, r.To)
	}
	return lines
}

// writeSQL shows the first statements of a step, each cut to a few lines.
func writeSQL(text *strings.Builder, sql []string) {
	for _, statement := range sql[:min(len(sql), shownStatements)] {
		lines := strings.Split(strings.TrimSpace(statement), "\n")
		for _, line := range lines[:min(len(lines), shownLines)] {
			fmt.Fprintf(text, "       %s\n", look.Cut(line, maxShownSQL))
		}
		if len(lines) > shownLines {
			fmt.Fprintf(text, "       ... %s\n", look.Plural(int64(len(lines)-shownLines), "more line", "more lines"))
		}
	}
	if more := len(sql) - shownStatements; more > 0 {
		fmt.Fprintf(text, "       ... and %s (-o yaml shows all)\n", look.Plural(int64(more), "more statement", "more statements"))
	}
}

const maxShownSQL = 140
