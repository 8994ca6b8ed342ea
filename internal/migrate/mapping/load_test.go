package mapping_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/tenant"
)

const whole = `version: 1
source: { schemaVersion: "select max(version) from schema_info", expect: 7 }
tables:
  - from: public."Orders"
    to: orders
    service: core
    columns:
      id: '"OrderID"'
      status: { sql: "case \"Status\" when 'O' then 'open' end", reverse: { '"Status"': "case status when 'open' then 'O' end" } }
      lines: 0
      extra.region: '"Region"'
      extra."Sales Rep": '"Rep"'
    where: { sql: 'not "Deleted"', reason: "soft-deleted rows stay behind" }
lift: [ 'public.custom_*' ]
ignore:
  - { table: public.tmp_import, reason: scratch }
  - { column: public."Orders"."LegacyFlag", reason: "unused since 2019" }
  - { column: settings.value, reason: unused }
`

func TestParseReadsAll(t *testing.T) {
	t.Parallel()
	m, err := mapping.Parse("m.yaml", []byte(whole))
	require.NoError(t, err)
	at := func(line, column int) config.Place { return config.Place{File: "m.yaml", Line: line, Column: column} }
	require.Equal(t, &mapping.SourceVersion{SQL: "select max(version) from schema_info", Expect: "7", Place: at(2, 9)}, m.Source)
	require.Equal(t, []mapping.Table{{
		From: mapping.Name{Schema: "public", Name: "Orders"}, To: "orders", Service: "core", Place: at(4, 5),
		Columns: []mapping.Column{
			{Target: "id", SQL: `"OrderID"`, Place: at(8, 11)},
			{
				Target: "status", SQL: `case "Status" when 'O' then 'open' end`, Place: at(9, 15),
				Reverse: []mapping.Reverse{{Column: "Status", SQL: "case status when 'open' then 'O' end", Place: at(9, 89)}},
			},
			{Target: "lines", SQL: "0", Place: at(10, 14)},
			{Target: "extra", Extra: "region", SQL: `"Region"`, Place: at(11, 21)},
			{Target: "extra", Extra: "Sales Rep", SQL: `"Rep"`, Place: at(12, 26)},
		},
		Where: &mapping.Where{SQL: `not "Deleted"`, Reason: "soft-deleted rows stay behind", Place: at(13, 12)},
	}}, m.Tables)
	require.Len(t, m.Lift, 1)
	require.Equal(t, "public.custom_*", m.Lift[0].String())
	require.Equal(t, []mapping.Ignore{
		{Table: mapping.Name{Schema: "public", Name: "tmp_import"}, Reason: "scratch", Place: at(16, 5)},
		{Table: mapping.Name{Schema: "public", Name: "Orders"}, Column: "LegacyFlag", Reason: "unused since 2019", Place: at(17, 5)},
		{Table: mapping.Name{Name: "settings"}, Column: "value", Reason: "unused", Place: at(18, 5)},
	}, m.Ignore)
}

// problems are the lines of an error about a mapping's text.
func problems(t *testing.T, err error) []string {
	t.Helper()
	require.Error(t, err)
	require.ErrorIs(t, err, tenant.ErrInvalid)
	return strings.Split(err.Error(), "\n")
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	table := "version: 1\ntables:\n- from: a\n  to: b\n  columns:\n    c: d\n"
	for text, want := range map[string][]string{
		"":                              {`m.yaml:1:1: not YAML: the file is empty; a mapping begins with "version: 1"`},
		"version: 1\nx: [":              {"m.yaml:2:1: not YAML: did not find expected node content"},
		"version: 1\n---\nversion: 1\n": {"m.yaml:1:1: not YAML: a second document follows; a mapping is one document"},
		"[]":                            {"m.yaml:1:1: expected keys and values, got a list"},
		"tables: []":                    {`m.yaml:1:1: needs "version": the version of this format, 1`},
		"version: 2":                    {"m.yaml:1:10: version: must be 1, not 2; this tenantctl knows no other"},
		"version: 1\ntabels: []":        {`m.yaml:2:1: tabels: unknown key "tabels"; did you mean tables?`},
		"version: 1\nxyz: []":           {`m.yaml:2:1: xyz: unknown key "xyz"; known keys: version, extends, source, tables, lift, ignore`},
		"version: 1\nversion: 1":        {"m.yaml:2:1: version: given twice; the first is on line 1"},
		"version: 1\n? [a]\n: b":        {"m.yaml:2:3: a key must be a plain word"},
		"version: 1\ntables: a":         {`m.yaml:2:9: tables: expected a list, got "a"`},
		"version: 1\ntables: [a]":       {`m.yaml:2:10: tables[0]: expected keys and values, got "a"`},
		"version: 1\ntables: [{ to: b, columns: { c: d } }]": {`m.yaml:2:10: tables[0]: needs "from": the legacy table`},
		"version: 1\ntables: [{ from: a b, to: b, columns: { c: d } }]": {
			`m.yaml:2:18: tables[0].from: a b is not a name; names with blanks, signs or capitals need double quotes: public."Odd Name"`,
		},
		"version: 1\ntables: [{ from: a, columns: { c: d } }]":          {`m.yaml:2:10: table a: needs "to": the table of the tenant's schema`},
		"version: 1\ntables: [{ from: a, to: b }]":                      {`m.yaml:2:10: table a: needs "columns": what fills the table's columns`},
		"version: 1\ntables: [{ from: a, to: x.b, columns: { c: d } }]": {"m.yaml:2:25: tables[0].to: x.b has 2 parts where a single name belongs"},
		table + "- from: a\n  to: b\n  columns: { c: d }\n":             {"m.yaml:7:3: tables[1]: a is mapped twice; the first is on line 3"},
		table + "    C: d\n":                                       {"m.yaml:7:5: tables[0].columns.C: names column c, which is given already"},
		table + "    x.y: d\n":                                     {`m.yaml:7:5: tables[0].columns."x.y": x.y is not a column of the target; only extra.NAME has two parts`},
		table + "    e: ''\n":                                      {"m.yaml:7:8: tables[0].columns.e: is empty"},
		table + "    e: null\n":                                    {"m.yaml:7:5: e: null takes an inherited column away, but this file extends none"},
		table + "    e: [a]\n":                                     {"m.yaml:7:8: tables[0].columns.e: expected a text, got a list"},
		table + "    e: { reverse: { a: b } }\n":                   {`m.yaml:7:8: tables[0].columns.e: needs "sql": SQL over the legacy row`},
		table + "    e: { sql: a, revers: { a: b } }\n":            {`m.yaml:7:18: tables[0].columns.e.revers: unknown key "revers"; did you mean reverse?`},
		table + "    e: { sql: a, reverse: { a.b: b } }\n":         {`m.yaml:7:29: tables[0].columns.e.reverse."a.b": a.b has 2 parts where a single name belongs`},
		table + "  where: not deleted\n":                           {"m.yaml:7:10: tables[0].where: rows that stay behind need a reason: { sql: ..., reason: ... }"},
		table + "  where: { sql: a }\n":                            {`m.yaml:7:10: tables[0].where: needs "reason": why the other rows stay behind`},
		table + "  where: null\n":                                  {"m.yaml:3:3: where: null takes an inherited filter away, but this file extends none"},
		table + "source: { expect: 1 }\n":                          {`m.yaml:7:9: source: needs "schemaVersion": a query that gives the legacy schema's version`},
		table + "lift: [a-b]\n":                                    {`m.yaml:7:8: lift[0]: "a-b" is not a pattern; write public.custom_* or public."Custom*", where * stands for any characters`},
		table + "ignore: [{ table: a }]\n":                         {`m.yaml:7:10: ignore[0]: needs "reason": why it stays behind`},
		table + "ignore: [{ table: a, reason: '' }]\n":             {"m.yaml:7:30: ignore[0].reason: is empty"},
		table + "ignore: [{ reason: a }]\n":                        {`m.yaml:7:10: ignore[0]: needs either "table" or "column"`},
		table + "ignore: [{ table: a, column: a.b, reason: a }]\n": {`m.yaml:7:10: ignore[0]: needs either "table" or "column"`},
		table + "ignore: [{ column: a, reason: a }]\n":             {"m.yaml:7:20: ignore[0].column: a is not a column; write table.column or schema.table.column"},
		"version: 1\ntables: [{ from: , to: b, columns: { c: d } }]\nlift: 7": {
			"m.yaml:2:18: tables[0].from: expected a text, got nothing", `m.yaml:3:7: lift: expected a list, got "7"`,
		},
	} {
		_, err := mapping.Parse("m.yaml", []byte(text))
		require.Equal(t, want, problems(t, err), text)
	}
}

func TestExtendsMerges(t *testing.T) {
	t.Parallel()
	folder := write(t, map[string]string{
		"base.yaml": `version: 1
source: { schemaVersion: select 1, expect: 1 }
tables:
  - { from: orders, to: orders, service: core, columns: { id: id, note: remark, total: total }, where: { sql: a, reason: r } }
  - { from: users, to: users, columns: { id: id } }
  - { from: people, to: contacts, columns: { id: id } }
  - { from: people, to: addresses, columns: { id: id, street: street } }
  - { from: gone, to: gone, columns: { id: id } }
lift: [ 'public.x_*', 'public.y_*' ]
ignore:
  - { table: tmp, reason: base }
  - { table: kept, reason: base }
  - { column: orders.flag, reason: base }
`,
		"clients/x.yaml": `version: 1
extends: ../base.yaml
source: { schemaVersion: select 2, expect: "2" }
tables:
  - { from: orders, columns: { note: null, total: round(total), extra.region: region }, where: null }
  - { from: users, to: accounts }
  - { from: people, to: addresses, columns: { street: addr } }
  - { from: kept, to: kept, columns: { id: id } }
lift: [ 'public.y_*', 'public.z_*' ]
ignore:
  - { table: tmp, reason: child }
  - { table: gone, reason: not here }
`,
	})
	m, err := mapping.Load(filepath.Join(folder, "clients/x.yaml"))
	require.NoError(t, err)
	var tables []string
	for _, table := range m.Tables {
		line := table.From.String() + " -> " + table.To + ":"
		for _, column := range table.Columns {
			line += " " + column.Target + "/" + column.Extra + "=" + column.SQL
		}
		if table.Where != nil {
			line += " where " + table.Where.SQL
		}
		tables = append(tables, line)
	}
	require.Equal(t, []string{
		"orders -> orders: id/=id total/=round(total) extra/region=region",
		"users -> accounts: id/=id",
		"people -> contacts: id/=id",
		"people -> addresses: id/=id street/=addr",
		"kept -> kept: id/=id",
	}, tables)
	require.Equal(t, "core", m.Tables[0].Service)
	require.Equal(t, "2", m.Source.Expect)
	var lift, ignore []string
	for _, pattern := range m.Lift {
		lift = append(lift, pattern.String())
	}
	for _, i := range m.Ignore {
		ignore = append(ignore, i.Table.String()+"."+i.Column+" "+i.Reason+" "+filepath.Base(i.Place.File))
	}
	require.Equal(t, []string{"public.x_*", "public.y_*", "public.z_*"}, lift)
	require.Equal(t, []string{"orders.flag base base.yaml", "tmp. child x.yaml", "gone. not here x.yaml"}, ignore)
}

func TestExtendsNamesTheFileAtFault(t *testing.T) {
	t.Parallel()
	good := "version: 1\ntables: [{ from: a, to: b, columns: { c: d } }]\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"cycle": {
			map[string]string{"m.yaml": "version: 1\nextends: n.yaml", "n.yaml": "version: 1\nextends: ./m.yaml"},
			[]string{"FOLDER/n.yaml:2:10: extends: extends itself: FOLDER/m.yaml -> FOLDER/n.yaml -> FOLDER/m.yaml"},
		},
		"itself": {
			map[string]string{"m.yaml": "version: 1\nextends: m.yaml"},
			[]string{"FOLDER/m.yaml:2:10: extends: extends itself: FOLDER/m.yaml -> FOLDER/m.yaml"},
		},
		"missing": {
			map[string]string{"m.yaml": "version: 1\nextends: sub/n.yaml"},
			[]string{"FOLDER/m.yaml:2:10: extends: read FOLDER/sub/n.yaml: no such file or directory"},
		},
		"wrong in both": {
			map[string]string{"m.yaml": "version: 1\nextends: n.yaml\nlift: 1", "n.yaml": "version: 1\nlift: 2"},
			[]string{`FOLDER/m.yaml:3:7: lift: expected a list, got "1"`, `FOLDER/n.yaml:2:7: lift: expected a list, got "2"`},
		},
		"removes what isn't there": {
			map[string]string{"m.yaml": "version: 1\nextends: n.yaml\ntables: [{ from: a, columns: { cc: null } }]", "n.yaml": good},
			[]string{"FOLDER/m.yaml:3:32: cc: null takes an inherited column away, but none is inherited by this name; did you mean c?"},
		},
		"incomplete": {
			map[string]string{"m.yaml": "version: 1\nextends: n.yaml\ntables: [{ from: x, columns: { c: d } }]", "n.yaml": good},
			[]string{`FOLDER/m.yaml:3:10: table x: needs "to": the table of the tenant's schema`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := write(t, c.files)
			_, err := mapping.Load(filepath.Join(folder, "m.yaml"))
			got := strings.ReplaceAll(strings.Join(problems(t, err), "\n"), folder, "FOLDER")
			require.Equal(t, strings.Join(c.want, "\n"), got)
		})
	}
	_, err := mapping.Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorContains(t, err, "read mapping: open ")
}

// Whatever is read, the decoder answers; what it takes, Draft's quoting would write the same way.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("version: 1\ntables: &t [{ from: a, to: b, columns: &c { x: y } }, { from: b, to: c, columns: *c }]\n"))
	f.Add([]byte("version: 1\nextends: nowhere.yaml\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("? {}\n: - -"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := mapping.Parse(filepath.Join(t.TempDir(), "fuzz.yaml"), data)
		if err != nil {
			require.ErrorIs(t, err, tenant.ErrInvalid)
			return
		}
		for _, table := range m.Tables {
			require.NotEmpty(t, table.From.Name)
			require.NotEmpty(t, table.To)
			require.NotEmpty(t, table.Columns)
			for _, column := range table.Columns {
				require.NotEmpty(t, strings.TrimSpace(column.SQL))
			}
		}
		for _, ignore := range m.Ignore {
			require.NotEmpty(t, strings.TrimSpace(ignore.Reason))
		}
	})
}
