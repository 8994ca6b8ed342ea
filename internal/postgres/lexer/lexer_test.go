package lexer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres/lexer"
)

func significant(sql string) (texts []string) {
	for token := range lexer.Tokens(sql) {
		if token.Significant() {
			texts = append(texts, token.Text)
		}
	}
	return texts
}

func TestTokensAreCutAsTheServerCutsThem(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		`select a.b`:                 {"select", "a", ".", "b"},
		`1..10`:                      {"1", "..", "10"},
		`1.5e-3+.5`:                  {"1.5e-3", "+", ".5"},
		`1e`:                         {"1", "e"},
		`0x1F 1_000`:                 {"0x1F", "1_000"},
		`a<-1`:                       {"a", "<", "-", "1"},
		`a@-1`:                       {"a", "@-", "1"},
		`a--b`:                       {"a"},
		`a+/*x*/b`:                   {"a", "+", "b"},
		`x::int`:                     {"x", "::", "int"},
		`f(a => 1, b := 2)`:          {"f", "(", "a", "=>", "1", ",", "b", ":=", "2", ")"},
		`$1 $tag$a;$x$b$tag$ a$b$c`:  {"$1", "$tag$a;$x$b$tag$", "a$b$c"},
		`$$a$$`:                      {"$$a$$"},
		`'it''s' 'b'`:                {"'it''s'", "'b'"},
		"'a' -- c\n 'b'":             {"'a' -- c\n 'b'"},
		`E'a\'b' e'\\'`:              {`E'a\'b'`, `e'\\'`},
		`'a\' b`:                     {`'a\'`, "b"},
		`/* a /* b */ c */ d`:        {"d"},
		`"a""b" U&"d\0061t"`:         {`"a""b"`, `U&"d\0061t"`},
		`n'x'`:                       {"n", "'x'"},
		`data->>'k' #>> '{a}' ?| b`:  {"data", "->>", "'k'", "#>>", "'{a}'", "?|", "b"},
		`größe`:                      {"größe"},
		`select 1 where a>=all(b)`:   {"select", "1", "where", "a", ">=", "all", "(", "b", ")"},
		`b'01' X'ff' u&'\0041' exit`: {"b'01'", "X'ff'", `u&'\0041'`, "exit"},
	} {
		require.Equal(t, want, significant(sql), sql)
	}
}

func TestValuesAreWhatTheServerReads(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`Foo`:                            "foo",
		`"Foo"`:                          "Foo",
		`"a""b"`:                         `a"b`,
		`ÄB`:                             "Äb",
		`U&"d\0061t\+000061"`:            "data",
		`U&'d!0061t!!' UESCAPE '!'`:      "dat!",
		`U&'\D83D\DE00'`:                 "😀",
		`'it''s'`:                        "it's",
		"'a' \n 'b''c'":                  "ab'c",
		"'a\nb'":                         "a\nb",
		`E'\n\t\\\'\x41\101\u00e9''q\z'`: "\n\t\\'AAé'qz",
		"E'a\\''\n'b'":                   "a'b",
		`B'01'`:                          "01",
		`$x$it's$x$`:                     "it's",
		`$$open`:                         "open",
		`'open`:                          "open",
		strings.Repeat("a", 70):          strings.Repeat("a", 63),
		strings.Repeat("é", 32):          strings.Repeat("é", 31),
	} {
		for token := range lexer.Tokens(sql) {
			require.Equal(t, want, token.Value(), sql)
			break
		}
	}
}

func TestDollarQuotesTellWhereTheirBodyIs(t *testing.T) {
	t.Parallel()
	sql := "select $fn$ body $fn$"
	for token := range lexer.Tokens(sql) {
		if token.Kind == lexer.String {
			require.Equal(t, "fn", token.Tag())
			require.Equal(t, " body $fn$", sql[token.BodyPos():])
		}
	}
}

func TestStatementsEndAtTheirOwnSemicolons(t *testing.T) {
	t.Parallel()
	script := `-- a script
select ';' /* ; */ ; ;
create function f() returns int language sql
begin atomic
  select 1; select case when true then 2 else 3 end;
end;
create rule r as on insert to t do (select 1; select 2);
create procedure p() as $$ begin null; end $$ language plpgsql;
begin; create index "begin" on t (a); end
; -- nothing more`
	var lines []int
	var first []string
	for _, statement := range lexer.Statements(script) {
		lines = append(lines, statement.Line)
		first = append(first, strings.Fields(statement.Text)[0])
		require.Equal(t, statement.Text, script[statement.Pos:statement.Pos+len(statement.Text)])
	}
	require.Equal(t, []int{2, 3, 7, 8, 9, 9, 9}, lines)
	require.Equal(t, []string{"select", "create", "create", "create", "begin", "create", "end"}, first)
}

func FuzzTokensAreLossless(f *testing.F) {
	for _, seed := range []string{
		"select 'a' \n 'b', E'\\'', $a$ $b$ $a$, \"x\"\"\" /* /* */ */ -- x\n", "U&'a' uescape", "$", "'", "E'\\", "/*", "1e+", "a$1$", "U&\"\\", "\x80\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		var out strings.Builder
		for token := range lexer.Tokens(sql) {
			require.NotEmpty(t, token.Text)
			require.Equal(t, out.Len(), token.Pos)
			out.WriteString(token.Text)
			_ = token.Value()
			if token.Form == lexer.Dollar {
				_ = token.BodyPos()
			}
		}
		require.Equal(t, sql, out.String())
		for _, statement := range lexer.Statements(sql) {
			require.Equal(t, statement.Text, sql[statement.Pos:statement.Pos+len(statement.Text)])
		}
	})
}
