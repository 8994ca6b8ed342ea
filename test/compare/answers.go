package compare

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/test/fixture"
)

// As says how the application meets its database.
type As struct {
	// Role is set for each case; "" keeps the connection's.
	Role string
	// Path is the search path; "" keeps the database's.
	Path string
	// Schemas go from the legacy's names to the names here; nil means that nothing was renamed.
	Schemas map[string]string
}

// Answer is what one case gave: the rows of each of its statements, or how it failed.
type Answer struct{ Name, Text string }

// Answers runs an application's cases as a superuser's connection, each in a transaction that is rolled back. Sequences,
// which no rollback touches, are put back afterwards.
func Answers(t testing.TB, conn *pgx.Conn, cases []fixture.Case, as As) []Answer {
	t.Helper()
	ctx := t.Context()
	restore, err := sequencePositions(ctx, conn, as)
	require.NoError(t, err)
	answers := make([]Answer, 0, len(cases))
	for _, c := range cases {
		text, err := answer(ctx, conn, c, as)
		require.NoError(t, err, "run %q", c.Name)
		answers = append(answers, Answer{Name: c.Name, Text: text})
		require.NoError(t, postgres.Script(ctx, conn, restore), "put sequences back")
	}
	return answers
}

// SameAnswers lists the cases whose answers differ.
func SameAnswers(legacy, tenant []Answer) []string {
	var lines []string
	given := map[string]string{}
	for _, a := range tenant {
		given[a.Name] = a.Text
	}
	for _, want := range legacy {
		if got, there := given[want.Name]; !there || got != want.Text {
			lines = append(lines, fmt.Sprintf("application: %s: legacy %s, tenant %s", want.Name, shown(firstDifference(want.Text, got)), shown(firstDifference(got, want.Text))))
		}
	}
	return lines
}

// firstDifference is the first line of a that b doesn't have at the same place.
func firstDifference(a, b string) string {
	others := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(others) || line != others[i] {
			return line
		}
	}
	return ""
}

func answer(ctx context.Context, conn *pgx.Conn, c fixture.Case, as As) (string, error) {
	begin, end, scope := "begin; ", "rollback", "set local "
	if c.Alone {
		begin, end, scope = "", "reset all; reset role", "set "
	}
	begin += scope + "timezone = 'UTC'; " + scope + "datestyle = 'ISO, YMD'; " + scope + "intervalstyle = 'postgres'; " + scope + "lc_monetary = 'C'"
	if as.Path != "" {
		begin += "; " + scope + "search_path = " + as.Path
	}
	if as.Role != "" {
		begin += "; " + scope + "role " + postgres.Ident(as.Role)
	}
	if err := postgres.Script(ctx, conn, begin); err != nil {
		return "", fmt.Errorf("begin: %w", err)
	}
	results, failed := conn.PgConn().Exec(ctx, as.render(c)).ReadAll()
	if err := postgres.Script(ctx, conn, end); err != nil {
		return "", fmt.Errorf("end: %w", err)
	}
	return written(results, failed)
}

// schemaPlace is where a case names a legacy schema.
var schemaPlace = regexp.MustCompile(`@\{[^}]+\}`)

// render fills in the schemas' names. One that isn't mapped holds nothing but extensions: they are in ext after a move.
func (as As) render(c fixture.Case) string {
	return schemaPlace.ReplaceAllStringFunc(c.SQL, func(place string) string {
		name := place[2 : len(place)-1]
		if as.Schemas == nil {
			return postgres.Ident(name)
		}
		if renamed, known := as.Schemas[name]; known {
			return postgres.Ident(renamed)
		}
		return extensions
	})
}

// written is a readable form of results that differs whenever they do. Of an error it keeps what an application acts on.
func written(results []*pgconn.Result, failed error) (string, error) {
	var b strings.Builder
	for _, result := range results {
		if result.Err != nil {
			continue
		}
		for _, field := range result.FieldDescriptions {
			b.WriteString(field.Name + "|")
		}
		fmt.Fprintf(&b, "%s\n", result.CommandTag)
		for _, row := range result.Rows {
			for _, value := range row {
				if value == nil {
					b.WriteString("NULL|")
					continue
				}
				fmt.Fprintf(&b, "%q|", value)
			}
			b.WriteString("\n")
		}
	}
	var refusal *pgconn.PgError
	switch {
	case errors.As(failed, &refusal):
		fmt.Fprintf(&b, "error %s constraint %q table %q column %q", refusal.Code, refusal.ConstraintName, refusal.TableName, refusal.ColumnName)
	case failed != nil:
		return "", failed
	}
	return b.String(), nil
}

// sequencePositions is a script that puts every sequence of the schemas back to where it stands now.
func sequencePositions(ctx context.Context, conn *pgx.Conn, as As) (string, error) {
	found, err := conn.Query(ctx, `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'S' and ($1::text[] is null or n.nspname = any($1))`, as.list())
	if err != nil {
		return "", fmt.Errorf("list sequences: %w", err)
	}
	list, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("list sequences: %w", err)
	}
	var script strings.Builder
	for _, name := range list {
		var position int64
		var called bool
		if err := conn.QueryRow(ctx, `select last_value, is_called from `+name).Scan(&position, &called); err != nil {
			return "", fmt.Errorf("read sequence %s: %w", name, err)
		}
		fmt.Fprintf(&script, "select setval(%s, %d, %t);\n", postgres.Literal(name), position, called)
	}
	return script.String(), nil
}

// list are the schemas' names here; nil means all.
func (as As) list() []string {
	var list []string
	for _, renamed := range as.Schemas {
		list = append(list, renamed)
	}
	return list
}
