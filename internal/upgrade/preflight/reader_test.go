package preflight

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
	"tenantctl/internal/upgrade"
)

var update = flag.Bool("update", false, "write the golden files anew")

func stretches(t testing.TB, sql string) []upgrade.Stretch {
	t.Helper()
	s, err := stream.Read("core", fstest.MapFS{"001_x.up.sql": {Data: []byte(sql)}})
	if err != nil {
		return nil
	}
	return []upgrade.Stretch{{Stream: s, To: 1}}
}

// described is what was recognized, one line for each question.
func described(risks []risk) string {
	var lines []string
	for _, r := range risks {
		what := "constraint " + r.constraint
		if r.question != nil {
			what = fmt.Sprintf("%s %+v", r.question.kind(), r.question)
		}
		line := fmt.Sprintf("%d: %q.%q %s", r.line, r.table.schema, r.table.name, what)
		if r.question != nil {
			if m := r.mender(); m.certain != "" || len(m.possible) > 0 {
				line += fmt.Sprintf(" after %s%d", m.certain, len(m.possible))
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestStatementsAreRecognized(t *testing.T) {
	t.Parallel()
	sql, err := os.ReadFile("testdata/statements.sql")
	require.NoError(t, err)
	got := described(read(stretches(t, string(sql))))
	const golden = "testdata/statements.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// The SQL of each question, as one tenant is asked.
func TestQuestionsInSQL(t *testing.T) {
	t.Parallel()
	at := place{
		table:   &relation{Schema: "tenant_a", Name: "or\"ders", Kind: "r", Columns: []string{"id", "customer", "v"}, Key: []string{"id"}},
		parent:  &relation{Schema: "tenant_a", Name: "customers", Kind: "p", Columns: []string{"id"}, Key: []string{"id"}},
		Options: Options{}.withDefaults(),
	}
	var got strings.Builder
	for _, q := range []question{
		nulls{columns: []string{"customer"}},
		nulls{columns: []string{"customer", "v"}, only: true},
		duplicates{elements: []string{`"customer"`, "lower(v)"}, where: "v <> ''"},
		duplicates{elements: []string{`"v"`}, nullsEqual: true},
		orphans{columns: []string{"customer"}},
		broken{expression: "v <> ''"},
		required{column: "new", typ: "text"},
		casts{column: "v", typ: "int"},
		casts{column: "v", typ: "varchar(5)", length: 5},
		rewrite{},
		rewrite{column: "v", typ: "numeric(8,2)", length: 8, scale: 2},
		rewrite{adds: "x", calls: []string{"f"}},
	} {
		fmt.Fprintf(&got, "-- %s\n%s;\n\n", q.kind(), q.ask(at))
	}
	fmt.Fprintf(&got, "-- recount\n%s;\n", casts{column: "v", typ: "int"}.recount(at))
	const golden = "testdata/questions.sql"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// Whatever a file holds, reading it ends, and what is taken from it can't leave the parentheses that it is put in.
func FuzzRead(f *testing.F) {
	sql, err := os.ReadFile("testdata/statements.sql")
	require.NoError(f, err)
	for _, statement := range strings.Split(string(sql), ";") {
		f.Add(statement)
	}
	f.Add("alter table t add check (a) or (b), alter c type int using (c::int")
	f.Add("alter table t add check (')' || $$($$ || \"(\" /* ( */ -- (\n)")
	f.Fuzz(func(t *testing.T, sql string) {
		for _, r := range read(stretches(t, sql)) {
			if r.question == nil {
				continue
			}
			_ = r.mender()
			for _, text := range texts(r.question) {
				piece := parse("(" + text + "\n)")
				inner, ok := piece.group()
				require.True(t, ok && piece.ended() && inner.text() != "", "%q of %q", text, sql)
			}
		}
	})
}

// texts are the pieces of the file that a question puts in its SQL as they are.
func texts(q question) []string {
	switch q := q.(type) {
	case duplicates:
		if q.where != "" {
			return append(q.elements, q.where)
		}
		return q.elements
	case broken:
		return []string{q.expression}
	case casts:
		return []string{q.typ}
	case required:
		return []string{q.typ}
	}
	return nil
}
