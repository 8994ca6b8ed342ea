package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

type inspectOptions struct {
	Factory *Factory
	Name    string
	Draft   string // file to write a mapping to; "" none
	Force   bool
}

// draftDefault stands for --write-mapping without a file.
const draftDefault = "mappings/NAME.yaml"

func newCmdInspect(f *Factory, runF func(context.Context, *inspectOptions) error) *cobra.Command {
	opts := &inspectOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "inspect NAME",
		Short: "See what a legacy database holds and what stands in the way of its move",
		Long: `Read a client's legacy database and say what a move would find: how much there is, and every finding by name. Refusals keep the
move from starting, warnings should be read first, notes are said so that nothing is silent. Nothing is touched; ends with 1
where something is refused.

With --write-mapping a mapping is drafted from the names and types of the legacy tables and the services' tables. What only a
person can decide is a comment in the draft, and migrate refuses it until it is decided.`,
		Example: `  tenantctl inspect client-x
  tenantctl inspect client-x -o json
  tenantctl inspect client-x --write-mapping mappings/client-x.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && opts.Draft == draftDefault { // --write-mapping FILE, without =
				opts.Draft, args = args[1], args[:1]
			}
			return f.oneTenant(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if opts.Draft == draftDefault {
				opts.Draft = filepath.Join("mappings", opts.Name+".yaml")
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runInspect(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	cmd.Flags().StringVar(&opts.Draft, "write-mapping", "", "draft a mapping into this `file` (- is standard output)")
	cmd.Flags().Lookup("write-mapping").NoOptDefVal = draftDefault
	cmd.Flags().BoolVar(&opts.Force, "force", false, "overwrite the mapping file that is there")
	return cmd
}

func runInspect(ctx context.Context, opts *inspectOptions) error {
	f := opts.Factory
	if err := opts.refuseOverwriting(); err != nil {
		return err
	}
	m, err := f.mover(ctx, opts.Name, readsRecords)
	if err != nil {
		return err
	}
	m.scratch.warm(ctx)
	if opts.Draft != "" {
		return opts.draft(ctx, m)
	}
	found, err := migrate.Inspect(ctx, m.config, planID(m.name()))
	if err != nil {
		return err
	}
	if err := f.printInspection(m.config.Spec, found); err != nil {
		return err
	}
	if refused := count(found.Findings, inspect.Refusal); refused > 0 {
		return tenant.WithHint(fmt.Errorf("%s can't be moved as it is: %s", m.name(), look.Plural(int64(refused), "refusal", "refusals")),
			"mend what is listed, or map around it, and inspect again")
	}
	return nil
}

// inspection is what inspect prints.
type inspection struct {
	Tenant     tenant.Name       `json:"tenant"`
	Database   string            `json:"database"`
	Server     string            `json:"serverVersion"`
	Encoding   string            `json:"encoding"`
	Bytes      int64             `json:"bytes"`      // of the database
	TableBytes int64             `json:"tableBytes"` // of its tables, without indexes
	Schemas    []string          `json:"schemas"`
	SearchPath []string          `json:"searchPath"`
	Extensions []string          `json:"extensions"`
	Tables     int               `json:"tables"`
	Rows       int64             `json:"rows"` // estimated
	Views      int               `json:"views"`
	MatViews   int               `json:"materializedViews"`
	Sequences  int               `json:"sequences"`
	Estimate   float64           `json:"estimatedSeconds"`
	Findings   []inspect.Finding `json:"findings"`
	Refused    bool              `json:"refused"`
}

const minorDivisor = 100

func (f *Factory) printInspection(spec tenant.Spec, found *migrate.Inspection) error {
	c := found.Catalog
	shown := inspection{
		Tenant: spec.Name, Database: c.Server.Database, Server: fmt.Sprintf("%d.%d", c.Server.Major(), c.Server.VersionNum%minorDivisor),
		Encoding: c.Server.Encoding, Bytes: c.Server.Bytes, Schemas: c.Schemas, SearchPath: c.SearchPath, Extensions: []string{},
		Tables: len(c.Tables), Views: len(c.Views), MatViews: len(c.MatViews), Sequences: len(c.Sequences),
		Estimate: found.Estimate.Seconds(), Findings: found.Findings, Refused: count(found.Findings, inspect.Refusal) > 0,
	}
	for _, e := range c.Extensions {
		shown.Extensions = append(shown.Extensions, e.Name)
	}
	for _, t := range c.Tables {
		shown.Rows, shown.TableBytes = shown.Rows+int64(t.Rows), shown.TableBytes+t.Bytes
	}
	if shown.Findings == nil {
		shown.Findings = []inspect.Finding{}
	}
	p := f.Printer()
	return p.One("Inspection", shown, output.View{Names: []string{"tenant/" + string(spec.Name)}, Table: func(w io.Writer) error {
		return shown.write(w, p, found)
	}})
}

func (i inspection) write(w io.Writer, p output.Printer, found *migrate.Inspection) error {
	_, err := fmt.Fprintf(w, `%s: legacy database %s
  server      PostgreSQL %s, %s
  size        %s in %s, about %s; the database %s
  also        %s, %s, %s
  schemas     %s
  path        %s
  extensions  %s
  offline     writes would stop for about %s
`, i.Tenant, i.Database, i.Server, i.Encoding, look.Bytes(i.TableBytes), look.Plural(int64(i.Tables), "table", "tables"), look.Plural(i.Rows, "row", "rows"), look.Bytes(i.Bytes),
		look.Plural(int64(i.Views), "view", "views"), look.Plural(int64(i.MatViews), "materialized view", "materialized views"),
		look.Plural(int64(i.Sequences), "sequence", "sequences"), first(listed(i.Schemas), "-"), first(listed(i.SearchPath), "-"),
		first(listed(i.Extensions), "none"), look.Duration(found.Estimate))
	if err != nil {
		return err
	}
	if err := writeLargest(w, p, found.Catalog.Tables); err != nil {
		return err
	}
	return writeFindings(w, p, i.Findings)
}

const largest = 10

// writeLargest lists the largest tables.
func writeLargest(w io.Writer, p output.Printer, tables []inspect.Table) error {
	ordered := slices.Clone(tables)
	slices.SortStableFunc(ordered, func(a, b inspect.Table) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	if len(ordered) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	grid := output.NewGrid("LARGEST TABLES", ">ROWS", ">BYTES", "KEY")
	for _, t := range ordered[:min(len(ordered), largest)] {
		grid.Row(t.String(), "~"+look.Count(int64(t.Rows)), look.Bytes(t.Bytes), listed(t.Key))
	}
	return grid.Write(w, p.Width, p.Color)
}

func count(findings []inspect.Finding, severity inspect.Severity) int {
	n := 0
	for _, f := range findings {
		if f.Severity == severity {
			n++
		}
	}
	return n
}

// writeFindings lists findings by how much they matter.
func writeFindings(w io.Writer, p output.Printer, findings []inspect.Finding) error {
	sorted := slices.Clone(findings)
	inspect.Sort(sorted)
	titles := map[inspect.Severity]string{inspect.Refusal: "refused", inspect.Warning: "warnings", inspect.Note: "notes"}
	styles := map[inspect.Severity]terminal.Style{inspect.Refusal: terminal.Red, inspect.Warning: terminal.Yellow}
	var last inspect.Severity
	for _, f := range sorted {
		if f.Severity != last {
			last = f.Severity
			title := fmt.Sprintf("%s (%d):", titles[last], count(sorted, last))
			if p.Color {
				title = styles[last].Paint(title)
			}
			if _, err := fmt.Fprintf(w, "\n%s\n", title); err != nil {
				return err
			}
		}
		line := fmt.Sprintf("  %s: %s", f.Object, f.Message)
		if f.Hint != "" {
			line += "\n      -> " + f.Hint
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if len(sorted) == 0 {
		_, err := fmt.Fprintln(w, "\nnothing stands in the way")
		return err
	}
	return nil
}

func (o *inspectOptions) refuseOverwriting() error {
	if o.Draft == "" || o.Draft == "-" || o.Force {
		return nil
	}
	_, err := os.Stat(o.Draft)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for %s: %w", o.Draft, err)
	}
	return tenant.WithHint(fmt.Errorf("%s is there already, nothing was written: %w", o.Draft, tenant.ErrConflict), "name another file, or overwrite it with --force")
}

// draft writes a mapping onto the tables of the declared services.
func (o *inspectOptions) draft(ctx context.Context, m *mover) error {
	f := o.Factory
	target, err := f.draftTarget(ctx, m)
	if err != nil {
		return err
	}
	catalog, err := readCatalog(ctx, m)
	if err != nil {
		return err
	}
	text := mapping.Draft(catalog, target)
	if o.Draft == "-" {
		_, err := f.Streams.Out.Write(text)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.Draft), 0o755); err != nil { //nolint:gosec // a folder of the project, as others in it
		return fmt.Errorf("write %s: %w", o.Draft, err)
	}
	if err := writeFile(o.Draft, text); err != nil {
		return err
	}
	f.Tell("wrote %s", o.Draft)
	f.Tell("next: read it, decide what it leaves open, and name it in tenants.yaml: tenants.%s.legacy.mapping: %s", m.name(), o.Draft)
	return nil
}

// draftTarget reads the services' tables as a fresh tenant has them, in a scratch database.
func (f *Factory) draftTarget(ctx context.Context, m *mover) (target mapping.TargetCatalog, err error) {
	spec := m.config.Spec
	file, err := f.Config()
	if err != nil {
		return target, err
	}
	if len(spec.Services) == 0 {
		for _, s := range file.Streams() {
			if s.Scope == config.ScopeTenant {
				spec.Services = append(spec.Services, s.Name)
			}
		}
	}
	if len(spec.Services) == 0 {
		return target, tenant.WithHint(fmt.Errorf("there is nothing to map to: %s declares no services: %w", file.Name(), tenant.ErrInvalid),
			"add them: services: { core: { migrations: builtin } }")
	}
	home, err := f.Provisioner(ctx, spec.Instance, m.records, provisionerOptions{})
	if err != nil {
		return target, err
	}
	dsn, drop, err := m.scratch.Create(ctx, scratchDatabase(planID(m.name())))
	if err != nil {
		return target, err
	}
	defer func() { err = errors.Join(err, drop(context.WithoutCancel(ctx))) }()
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "inspect"})
	if err != nil {
		return target, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return readServices(ctx, conn, home.Tenancy(spec), spec.Schema)
}

// streamBuilder builds the tables of a tenant's services in any database.
type streamBuilder interface {
	Streams(ctx context.Context, conn *pgx.Conn, schema string) error
}

func readServices(ctx context.Context, conn *pgx.Conn, builder streamBuilder, schema string) (mapping.TargetCatalog, error) {
	if err := builder.Streams(ctx, conn, schema); err != nil {
		return mapping.TargetCatalog{}, err
	}
	return mapping.ReadTarget(ctx, conn, schema)
}
