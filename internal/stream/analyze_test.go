package stream_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/fixture"
)

// Whatever a file holds: nothing of it is lost between its statements, and what is blanked out keeps every other byte and line in
// its place, since the server's positions count them.
func FuzzAnalyze(f *testing.F) {
	for _, file := range fixture.Trader(f).Files() {
		f.Add(file.Up.SQL)
		f.Add(file.Down.SQL)
	}
	for _, seed := range []string{
		"begin; commit", "BEGIN -- é;\nTRANSACTION;\r\nselect 'é'; END -- ö", "begin atomic; end", "start transaction /* ; */ ; ; commit work;;",
		"create function f() begin atomic select 1; end; commit", "begin; select $$;", "\\restrict x\nselect 1", "do $$ begin commit; end $$", "do", "do $$",
		"copy t from stdin;\n1\n\\.\n", "create unique index concurrently if not exists", "alter table t detach partition p concurrently", "\"begin\"; commit",
		";;;", "\xff; begin", "begin;\x00;commit", "cluster", "discard", "reset", "set", "(", "select (;); select 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		statements := lexer.Statements(sql)
		var together strings.Builder
		end := 0
		for _, s := range statements {
			between := sql[end:s.Pos]
			for token := range lexer.Tokens(between) {
				require.True(t, !token.Significant() || token.IsSymbol(";"), "%q lies between statements", between)
			}
			require.Equal(t, 1+strings.Count(sql[:s.Pos], "\n"), s.Line)
			together.WriteString(between + s.Text)
			end = s.Pos + len(s.Text)
			_, _ = stream.Finalized(s.Text)
		}
		require.Equal(t, sql, together.String()+sql[end:])

		body, unwrapped, err := stream.Body(sql)
		if err != nil {
			require.ErrorIs(t, err, tenant.ErrInvalid)
			return
		}
		if !unwrapped {
			require.Equal(t, sql, body)
			return
		}
		want := []byte(sql)
		for _, s := range []lexer.Statement{statements[0], statements[len(statements)-1]} {
			for i := s.Pos; i < s.Pos+len(s.Text); i++ {
				if want[i] != '\n' {
					want[i] = ' '
				}
			}
		}
		require.Equal(t, string(want), body)
	})
}
