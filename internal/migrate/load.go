package migrate

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// holdTimeout is how long gateways may take to hold a tenant's traffic.
const holdTimeout = 15 * time.Second

// loader runs definitions as the owner of what is lifted.
func (m *Move) loader(dial copy.Dial) *ddl.Loader {
	return &ddl.Loader{Dial: dial, Marks: sectionMarks{marks{m}}, Role: m.plan.Owner, Path: m.plan.Path, Jobs: m.Jobs, Drain: m.Drain}
}

// extensions creates on the shared instance what the legacy schema needs and isn't there. Extensions belong to all tenants:
// a lock lets one move at a time make them.
func (m *Move) extensions(ctx context.Context) error {
	if len(m.plan.Extensions) == 0 {
		return nil
	}
	conn, err := m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('tenantctl:extensions', 0))`); err != nil {
			return fmt.Errorf("lock extensions: %w", err)
		}
		for _, name := range sortedKeys(m.plan.Extensions) {
			schema := m.plan.Extensions[name]
			sql := "create schema if not exists " + postgres.Ident(schema) + "; create extension if not exists " + postgres.Ident(name) + " schema " + postgres.Ident(schema)
			if err := postgres.Script(ctx, tx, sql); err != nil {
				return fmt.Errorf("create extension %s: %w", name, err)
			}
		}
		return nil
	})
}

func sortedKeys[V any](values map[string]V) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// strip takes indexes and constraints off the tables that a mapping fills; they are kept with the plan before they go.
func (m *Move) strip(ctx context.Context) error {
	if m.plan.Mapped == nil {
		return nil
	}
	conn, err := m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if m.plan.Stripped == nil {
		if err := m.refuseFilled(ctx, conn); err != nil {
			return err
		}
		stripped, err := ddl.ReadStripped(ctx, conn, m.plan.Schemas[0], m.plan.Mapped.Tables)
		if err != nil {
			return err
		}
		m.plan.Stripped = &stripped
		if err := m.savePlan(ctx); err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := (marks{m}).Hold(ctx, tx); err != nil {
			return err
		}
		return m.plan.Stripped.Strip(ctx, tx)
	})
}

// refuseFilled refuses to mix a client's rows with rows that are there already.
func (m *Move) refuseFilled(ctx context.Context, conn *pgx.Conn) error {
	var filled []error
	for _, table := range m.plan.Mapped.Tables {
		var any bool
		if err := conn.QueryRow(ctx, "select exists (select from "+postgres.Ident(m.plan.Schemas[0], table)+")").Scan(&any); err != nil {
			return fmt.Errorf("look into table %s: %w", table, err)
		}
		if any {
			filled = append(filled, fmt.Errorf("table %s.%s of the tenant holds rows already: %w", m.plan.Schemas[0], table, tenant.ErrConflict))
		}
	}
	return errors.Join(filled...)
}

// index builds all that comes after the rows.
func (m *Move) index(ctx context.Context) error {
	bytes := map[copy.Target]int64{}
	for _, t := range m.plan.Tables {
		bytes[t.Target] += t.Source.Bytes
	}
	if err := m.regenerate(ctx); err != nil {
		return err
	}
	size := func(schema, table string) int64 { return bytes[copy.Target{Schema: schema, Name: table}] }
	if m.plan.Stripped != nil {
		rebuild := m.loader(m.dialIndex)
		rebuild.Role = ""
		if err := ddl.Divide(m.plan.Stripped.Rebuild, size).Run(ctx, rebuild, "rebuild"); err != nil {
			return m.nameDuplicate(err)
		}
	}
	if err := ddl.Divide(m.plan.Post, size).Run(ctx, m.loader(m.dialIndex), "post"); err != nil {
		return err
	}
	if err := m.loader(m.dialIndex).Serial(ctx, "refresh", refreshes(m.plan.Refresh)); err != nil {
		return err
	}
	if err := m.sequences(ctx); err != nil {
		return err
	}
	if err := m.Tenancy.Grant(ctx, m.plan.Schemas); err != nil {
		return err
	}
	return m.analyze(ctx)
}

// nameDuplicate says where rows that break a rule of the platform's tables come from.
func (m *Move) nameDuplicate(err error) error {
	if code := postgres.Code(err); code == "23505" || code == "23503" {
		return tenant.WithHint(err, "the mapped rows break this rule: mend the mapping or the rows, `tenantctl rollback "+string(m.Spec.Name)+"`, and migrate again")
	}
	return err
}

func refreshes(views []string) []ddl.Statement {
	statements := make([]ddl.Statement, len(views))
	for i, view := range views {
		statements[i] = ddl.Statement{Kind: "MATERIALIZED VIEW DATA", Name: view, SQL: "refresh materialized view " + view}
	}
	return statements
}

// sequences makes the tenant's sequences go on where the legacy ones stand, or behind the highest value that was mapped.
func (m *Move) sequences(ctx context.Context) error {
	target, err := m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close(context.WithoutCancel(ctx)) }()
	if err := m.carrySequences(ctx, target); err != nil {
		return err
	}
	if m.plan.Mapped == nil {
		return nil
	}
	return m.continueCounters(ctx, target)
}

// continueCounters lets the sequences of mapped columns go on behind every value that was given so far.
func (m *Move) continueCounters(ctx context.Context, target *pgx.Conn) error {
	source, err := m.dialSource(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }()
	for _, counter := range m.plan.Mapped.Counters {
		var given int64
		if counter.Legacy != nil {
			read, err := ddl.ReadSequences(ctx, source, []ddl.Sequence{{Schema: counter.Legacy.Schema, Name: counter.Legacy.Name}})
			if err != nil {
				return err
			}
			if read[0].Called {
				given = read[0].Last
			}
		}
		if _, err := target.Exec(ctx, counter.SetSQL(m.plan.Schemas[0], given)); err != nil {
			return fmt.Errorf("set the sequence of %s.%s: %w", counter.Table, counter.Column, err)
		}
	}
	return nil
}

func (m *Move) carrySequences(ctx context.Context, target *pgx.Conn) error {
	if len(m.plan.Sequences) == 0 {
		return nil
	}
	source, err := m.dialSource(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }()
	legacy := make([]ddl.Sequence, len(m.plan.Sequences))
	becomes := make(map[ddl.Sequence]ddl.Sequence, len(m.plan.Sequences))
	for i, pair := range m.plan.Sequences {
		legacy[i] = pair.Source
		becomes[pair.Source] = pair.Target
	}
	read, err := ddl.ReadSequences(ctx, source, legacy)
	if err != nil {
		return err
	}
	for i, s := range read {
		to := becomes[ddl.Sequence{Schema: s.Schema, Name: s.Name}]
		read[i].Schema, read[i].Name = to.Schema, to.Name
	}
	return ddl.SetSequences(ctx, target, read)
}

// analyze gives the planner statistics before the first query comes.
func (m *Move) analyze(ctx context.Context) error {
	queue := make(chan copy.Target, len(m.plan.Tables))
	for _, t := range m.plan.Tables {
		queue <- t.Target
	}
	close(queue)
	group, ctx := errgroup.WithContext(ctx)
	for range max(m.Jobs, 1) {
		group.Go(func() error {
			conn, err := m.dialRows(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			for target := range queue {
				if _, err := conn.Exec(ctx, "analyze "+postgres.Ident(target.Schema, target.Name)); err != nil {
					return fmt.Errorf("analyze %s.%s: %w", target.Schema, target.Name, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}
