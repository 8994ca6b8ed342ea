package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/postgres"
)

// liftedWith lists the lifted tables of a kind.
func liftedWith(catalog *inspect.Catalog, renaming lift.Renaming, selected func(schema, name string) bool, kind func(inspect.Table) bool) []copy.Target {
	var targets []copy.Target
	for _, t := range catalog.Tables {
		if t.Kind == inspect.Ordinary && (selected == nil || selected(t.Schema, t.Name)) && kind(t) {
			targets = append(targets, copy.Target{Schema: renaming.Schemas[t.Schema], Name: t.Name})
		}
	}
	return targets
}

// regenerates tells a table with generated columns whose expressions call the client's own code. Such code may read other tables, and
// those may have been empty when a row came.
func regenerates(t inspect.Table) bool {
	return slices.ContainsFunc(t.Columns, func(column inspect.Column) bool { return column.OwnCode })
}

// regenerate computes generated columns again where they would come out otherwise now that every row is there. No trigger is there
// yet that could see it.
func (m *Move) regenerate(ctx context.Context) error {
	statements := make([]ddl.Statement, len(m.plan.Regenerate))
	for i, target := range m.plan.Regenerate {
		statements[i] = ddl.Statement{Kind: "GENERATED COLUMNS", Schema: target.Schema, Name: target.Name, SQL: regenerateSQL(target)}
	}
	return m.loader(m.dialIndex).Serial(ctx, "regenerate", statements)
}

// regenerateSQL takes the rows out and puts them in again: an UPDATE computes only what depends on a column that it changes. The server
// is asked for the expressions, as the tenant's table has them.
func regenerateSQL(target copy.Target) string {
	table := postgres.Literal(postgres.Ident(target.Schema, target.Name))
	return `do $tenantctl$ begin execute (
	select format('with gone as (delete from only %1$s where %2$s returning %3$s) insert into %1$s (%3$s) overriding system value select * from gone',
		` + table + `, string_agg(format('%I::text is distinct from (%s)::%s::text', a.attname, pg_get_expr(d.adbin, d.adrelid), format_type(a.atttypid, a.atttypmod)), ' or ')
			filter (where a.attgenerated = 's'),
		string_agg(quote_ident(a.attname), ', ' order by a.attnum) filter (where a.attgenerated = ''))
	from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
	where a.attrelid = ` + table + `::regclass and a.attnum > 0 and not a.attisdropped
); end $tenantctl$`
}

// verifyGenerated compares what both sides hold in stored generated columns, while the legacy database stands still: no copy brought
// them, so that both are read.
func (m *Move) verifyGenerated(ctx context.Context) ([]verify.Proof, error) {
	ways := verify.Generated(m.plan.Tables)
	if len(ways) == 0 {
		return nil, nil
	}
	reader := verify.Reader{Dial: m.dialSource, Jobs: m.Jobs, ChunkBytes: m.plan.ChunkBytes, Seed: m.plan.Seed}
	held, err := reader.Source(ctx, ways, m.plan.Version)
	if err != nil {
		return nil, err
	}
	reader.Dial = m.dialRows
	computed, err := reader.Target(ctx, ways, m.plan.TargetNum)
	if err != nil {
		return nil, err
	}
	columns := make(map[copy.Target][]string, len(ways))
	for _, way := range ways {
		for _, column := range way.Generated {
			columns[way.Target] = append(columns[way.Target], column.Target)
		}
	}
	proofs := verify.Compare(ways, held, computed)
	for i := range proofs {
		proofs[i].Generated = columns[proofs[i].Target]
	}
	return proofs, m.descend(ctx, ways, proofs)
}

// staleGenerated says what to do about values that can't be computed again.
func staleGenerated(proof verify.Proof) string {
	return fmt.Sprintf("generated columns %s of %s.%s: the legacy holds other values than the tenant's table computes",
		strings.Join(proof.Generated, ", "), proof.Target.Schema, proof.Target.Name)
}
