package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// preparation is what a plan is made from.
type preparation struct {
	Config
	source, target *pgx.Conn
	catalog        *inspect.Catalog
	renaming       lift.Renaming
	mapping        *mapping.Mapping // nil: a whole lift
	compiled       *mapping.Compiled
	services       []string // tables that the tenant's services have in the main schema
	findings       []inspect.Finding
}

// Prepare inspects the legacy database and makes the plan of a move, without touching either side: --plan shows it. id
// names the scratch database. The error wraps tenant.ErrRefused where the move can't be, with every reason.
func Prepare(ctx context.Context, config Config, id string) (*Plan, error) {
	p := &preparation{Config: config}
	release, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	script, err := p.examine(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := inspect.Refused(p.findings); err != nil {
		return nil, p.refused(err)
	}
	return p.plan(ctx, script)
}

// Inspection is what there is to say about a legacy database before its move.
type Inspection struct {
	Catalog  *inspect.Catalog
	Findings []inspect.Finding
	Estimate time.Duration // of the time that writes stop
}

// Inspect tells everything that Prepare would find, refusals included, and touches nothing.
func Inspect(ctx context.Context, config Config, id string) (*Inspection, error) {
	p := &preparation{Config: config}
	release, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := p.examine(ctx, id); err != nil {
		return nil, err
	}
	inspect.Sort(p.findings)
	return &Inspection{Catalog: p.catalog, Findings: p.findings, Estimate: inspect.Estimate(p.catalog)}, nil
}

// examine collects findings, each stage only where the one before found nothing that stands in its way. The script is whole
// if no finding is a refusal.
func (p *preparation) examine(ctx context.Context, id string) (*lift.Script, error) {
	var err error
	if p.catalog, err = inspect.Read(ctx, p.source); err != nil {
		return nil, err
	}
	if err := p.rename(ctx); err != nil {
		return nil, err
	}
	if p.Spec.Mapping != "" {
		if p.mapping, err = mapping.Load(p.Spec.Mapping); err != nil {
			return nil, err
		}
		if p.findings, err = p.mapping.CheckVersion(ctx, p.source); err != nil {
			return nil, err
		}
	}
	if err := p.check(ctx); err != nil || inspect.Refused(p.findings) != nil {
		return nil, err
	}
	script, err := p.script(ctx, id)
	if err != nil {
		return nil, err
	}
	p.findings = append(p.findings, script.Findings...)
	p.collisions(script)
	if p.compiled != nil && inspect.Refused(p.findings) == nil {
		tried, err := p.compiled.Try(ctx, p.source)
		if err != nil {
			return nil, err
		}
		p.findings = append(p.findings, tried...)
	}
	return script, nil
}

func (p *preparation) refused(err error) error {
	return tenant.WithHint(err, fmt.Sprintf("`tenantctl inspect %s` shows these and all other findings", p.Spec.Name))
}

// connect opens both sides for reading.
func (p *preparation) connect(ctx context.Context) (release func(), err error) {
	settings := copy.SessionSettings("")
	delete(settings, "search_path")
	delete(settings, "max_parallel_workers_per_gather") // a mapping's trial counts, in whatever order
	p.source, err = postgres.Connect(ctx, p.Source, postgres.Options{Application: application, Settings: settings})
	if err != nil {
		return nil, fmt.Errorf("legacy database of %s: %w", p.Spec.Name, err)
	}
	p.target, err = postgres.Connect(ctx, p.Target, postgres.Options{Application: application})
	if err != nil {
		_ = p.source.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("shared instance %s: %w", p.Spec.Instance, err)
	}
	return func() {
		ctx := context.WithoutCancel(ctx)
		_ = errors.Join(p.source.Close(ctx), p.target.Close(ctx)) // read-only sessions hold nothing
	}, nil
}

// rename decides what each legacy schema becomes and where the instance has the extensions.
func (p *preparation) rename(ctx context.Context) error {
	renaming, err := lift.NewRenaming(p.Spec.Schema, p.catalog.Schemas)
	if err != nil {
		return err
	}
	for _, e := range p.catalog.Extensions {
		if e.Schema == "pg_catalog" {
			continue
		}
		schema := lift.ExtensionSchema
		if e.Schema != "public" && !e.Relocatable {
			schema = e.Schema
		}
		var there string
		err := p.target.QueryRow(ctx, `select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = $1`, e.Name).Scan(&there)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look for extension %s: %w", e.Name, err)
		}
		if err == nil {
			schema = there
		}
		renaming.Extensions[e.Name] = schema
	}
	p.renaming = renaming
	return nil
}

// check collects everything that could break.
func (p *preparation) check(ctx context.Context) error {
	findings, err := inspect.Check(ctx, p.source, p.target, p.catalog, inspect.Options{
		Mode: inspect.Offline, Lift: p.mapping == nil, Selected: p.patterns(), TargetSchema: p.Spec.Schema, Tools: p.Tools,
	})
	p.findings = append(p.findings, findings...)
	return err
}

// patterns tells what a mapping may lift, before it is compiled; nil where all is lifted.
func (p *preparation) patterns() func(schema, name string) bool {
	if p.mapping == nil {
		return nil
	}
	return func(schema, name string) bool {
		for _, pattern := range p.mapping.Lift {
			if pattern.Matches(schema, name, p.catalog.SearchPath) {
				return true
			}
		}
		return false
	}
}

// script lifts what is to be lifted, and compiles the mapping in the same scratch database.
func (p *preparation) script(ctx context.Context, id string) (*lift.Script, error) {
	options := lift.Options{
		Source: p.Source, Scratch: p.Scratch, Name: "tenantctl_scratch_" + strings.ReplaceAll(id, "-", ""), Tools: p.Tools,
		Catalog: p.catalog, Renaming: p.renaming, Restored: p.restored,
	}
	if p.mapping != nil {
		options.Select = func(schema, name string) bool { return p.compiled.Lifts(schema, name) }
	}
	return lift.Prepare(ctx, options)
}

// streamSchema is where the services' tables stand in the scratch database while a mapping is compiled.
const streamSchema = "tenantctl_streams"

// restored builds the services' tables beside the legacy schema and compiles the mapping against both.
func (p *preparation) restored(ctx context.Context, scratch *pgx.Conn) error {
	if len(p.Spec.Services) == 0 && p.mapping == nil {
		return nil
	}
	if _, err := scratch.Exec(ctx, "create schema "+streamSchema); err != nil {
		return fmt.Errorf("create the services' tables in the scratch database: %w", err)
	}
	if err := p.Tenancy.Streams(ctx, scratch, streamSchema); err != nil {
		return fmt.Errorf("create the services' tables in the scratch database: %w", err)
	}
	target, err := mapping.ReadTarget(ctx, scratch, streamSchema)
	if err != nil {
		return err
	}
	target.Schema = p.Spec.Schema
	for _, table := range target.Tables {
		p.services = append(p.services, table.Name)
	}
	if p.mapping != nil {
		compiled, findings, err := p.mapping.Compile(ctx, scratch, p.catalog, target)
		if err != nil {
			return err
		}
		p.compiled = compiled
		p.findings = append(p.findings, findings...)
	}
	if _, err := scratch.Exec(ctx, "drop schema "+streamSchema+" cascade"); err != nil {
		return fmt.Errorf("drop the services' tables from the scratch database: %w", err)
	}
	return nil
}

// collisions refuses lifted objects that would stand where a service has its own.
func (p *preparation) collisions(script *lift.Script) {
	taken := map[string]bool{}
	for _, name := range p.services {
		taken[name] = true
	}
	for _, s := range script.Pre {
		if s.Schema == p.Spec.Schema && taken[s.Name] && (s.Kind == "TABLE" || s.Kind == "VIEW" || s.Kind == "MATERIALIZED VIEW" || s.Kind == "SEQUENCE") {
			p.findings = append(p.findings, inspect.Finding{
				Severity: inspect.Refusal, Code: "stream-collision", Object: s.Object(),
				Message: "a service of the platform has a table of this name in the tenant's schema",
				Hint:    "map it, or give the tenant `services: []` to lift it without the platform",
			})
		}
	}
}

// plan puts together what was decided.
func (p *preparation) plan(ctx context.Context, script *lift.Script) (*Plan, error) {
	seed, err := newSeed()
	if err != nil {
		return nil, err
	}
	fingerprint, err := inspect.Fingerprint(ctx, p.source)
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Seed: seed, Schemas: p.schemas(), Path: script.Path, Fingerprint: fingerprint,
		Version: p.catalog.Server.VersionNum, ChunkBytes: p.ChunkBytes, Tables: liftTables(p.catalog, p.renaming, p.selected()),
		Extensions: script.Extensions, Pre: script.Pre, Post: script.Post, Refresh: script.Refresh,
		Regenerate: liftedWith(p.catalog, p.renaming, p.selected(), regenerates),
		Last:       liftedWith(p.catalog, p.renaming, p.selected(), func(t inspect.Table) bool { return t.OwnChecks || regenerates(t) }),
		Findings:   p.findings, Rewrites: script.Rewrites, Estimate: inspect.Estimate(p.catalog),
	}
	if err := p.target.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&plan.TargetNum); err != nil {
		return nil, fmt.Errorf("read the instance's version: %w", err)
	}
	if plan.ChunkBytes == 0 {
		plan.ChunkBytes = copy.DefaultChunkBytes // kept with the plan: marks count chunks of this size
	}
	plan.SourcePath, plan.RowPath = p.rowPaths()
	becomes := map[string]string{}
	for legacy, target := range p.renaming.Schemas {
		becomes[target] = legacy
	}
	for _, s := range script.Sequences {
		plan.Sequences = append(plan.Sequences, SequencePair{Source: ddl.Sequence{Schema: becomes[s.Schema], Name: s.Name}, Target: s})
	}
	if p.compiled != nil {
		plan.Mapped = p.mapped()
		plan.Tables = append(plan.Tables, p.compiled.Tables...)
	}
	return plan, nil
}

func (p *preparation) selected() func(schema, name string) bool {
	if p.compiled == nil {
		return nil
	}
	return p.compiled.Lifts
}

// schemas are the tenant's, as far as anything goes into them.
func (p *preparation) schemas() []string {
	if p.mapping == nil {
		return p.renaming.Targets()
	}
	used := []string{p.Spec.Schema}
	for _, t := range liftTables(p.catalog, p.renaming, p.selected()) {
		known := false
		for _, schema := range used {
			known = known || schema == t.Target.Schema
		}
		if !known {
			used = append(used, t.Target.Schema)
		}
	}
	return used
}

// rowPaths are the search paths under which rows are read and written: every schema on both sides in the same order, so that
// the name of an object within a value (regclass and its kin) reads the same.
func (p *preparation) rowPaths() (source, target []string) {
	seen := map[string]bool{}
	for _, schema := range append(append(append([]string(nil), p.catalog.SearchPath...), "public"), p.catalog.Schemas...) {
		if !seen[schema] {
			seen[schema] = true
			source = append(source, schema)
		}
	}
	for _, schema := range source {
		if becomes, carried := p.renaming.Schemas[schema]; carried {
			target = append(target, becomes)
		}
		if schema == "public" {
			target = append(target, lift.ExtensionSchema)
		}
	}
	return source, target
}

// mapped is what the mapping adds.
func (p *preparation) mapped() *Mapped {
	m := &Mapped{OneWay: p.compiled.OneWay(), Counters: p.compiled.Sequences}
	seen := map[string]bool{}
	for _, t := range p.compiled.Tables {
		if !seen[t.Target.Name] {
			seen[t.Target.Name] = true
			m.Tables = append(m.Tables, t.Target.Name)
		}
	}
	for _, i := range p.compiled.Ignored {
		m.Ignored = append(m.Ignored, Left{Object: i.Object, Reason: i.Reason})
	}
	for _, f := range p.compiled.Filters {
		m.Filtered = append(m.Filtered, Left{Object: f.Table, Reason: f.Reason})
	}
	return m
}
