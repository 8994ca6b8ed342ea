package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

// texts are strings with what quoting is about.
func texts() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune(`ab'"\$;-/*%EeU&`+"\n\t é漢🦔\u00a0\u2028")), 1, 15, -1)
}

// The server reads a quoted constant back as the text, under either setting of standard_conforming_strings.
func TestLiteral(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	for _, conforming := range []string{"on", "off"} {
		conn := connect(t, dsn, postgres.Options{Settings: map[string]string{"standard_conforming_strings": conforming, "backslash_quote": "off"}})
		rapid.Check(t, func(rt *rapid.T) {
			text := texts().Draw(rt, "text")
			var got string
			require.NoError(rt, conn.QueryRow(t.Context(), `select`+postgres.Literal(text)+`::text`).Scan(&got))
			require.Equal(rt, text, got)
		})
		var empty string
		require.NoError(t, conn.QueryRow(t.Context(), `select`+postgres.Literal("")+`::text`).Scan(&empty))
		require.Empty(t, empty)
	}
	require.Equal(t, "'ab'", postgres.Literal("a\x00b"), "a NUL ends a statement early")
}

// The server gives an object the name that was quoted.
func TestIdent(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.Database(t), postgres.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		name := texts().Filter(func(s string) bool { return len(s) <= 63 }).Draw(rt, "name")
		var got string
		require.NoError(rt, conn.QueryRow(t.Context(), `select `+postgres.Ident("q", name)+` from (select 1 as `+postgres.Ident(name)+`) as q`).Scan(new(int)))
		rows, err := conn.Query(t.Context(), `select 1 as `+postgres.Ident(name))
		require.NoError(rt, err)
		got = rows.FieldDescriptions()[0].Name
		rows.Close()
		require.NoError(rt, rows.Err())
		require.Equal(rt, name, got)
	})
	require.Equal(t, `"s"."t"`, postgres.Ident("s", "t"))
	require.Equal(t, `"a""b"`, postgres.Ident(`a"b`))
	long := strings.Repeat("x", 63)
	require.NoError(t, postgres.Script(t.Context(), conn, `create schema `+postgres.Ident(long)))
	var there bool
	require.NoError(t, conn.QueryRow(t.Context(), `select to_regnamespace($1) is not null`, postgres.Ident(long)).Scan(&there))
	require.True(t, there)
}
