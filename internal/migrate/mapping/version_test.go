package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/mapping"
)

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	b := setup(t, "create table schema_info (version int, name text); insert into schema_info values (3, 'a'), (7, 'b')", "create table x (id int)")
	for source, want := range map[string]string{
		`{ schemaVersion: select max(version) from schema_info, expect: 7 }`:               "",
		`{ schemaVersion: "select name from schema_info where version = 7", expect: b }`:   "",
		`{ schemaVersion: select max(version) from schema_info, expect: 6 }`:               "m.yaml:2:9: the legacy schema's version is 7, but the mapping was written for 6 | bring the legacy schema to that version, or let a mapping of its own extend this one",
		`{ schemaVersion: select version from schema_info, expect: 7 }`:                    "m.yaml:2:9: the legacy schema's version gives 2 values instead of one (in: select version from schema_info)",
		`{ schemaVersion: "select version, name from schema_info limit 1", expect: 7 }`:    "gives 2 values instead of one",
		`{ schemaVersion: "select max(version) from schema_info where false", expect: 7 }`: "is null, but the mapping was written for 7",
		`{ schemaVersion: select max(version) from schema_inf, expect: 7 }`:                "can't be asked: relation \"schema_inf\" does not exist (in: select max(version) from schema_inf) | schemaVersion is one query that reads",
		`{ schemaVersion: "insert into schema_info values (8) returning 8", expect: 8 }`:   "can't be asked: cannot execute INSERT in a read-only transaction",
		`{ schemaVersion: "select 7; select 8", expect: 7 }`:                               "can't be asked: cannot insert multiple commands into a prepared statement",
		`{ schemaVersion: "select $1", expect: 7 }`:                                        "can't be asked: ",
	} {
		m, err := mapping.Parse("m.yaml", []byte("version: 1\nsource: "+source+"\n"))
		require.NoError(t, err)
		findings, err := m.CheckVersion(t.Context(), b.conn)
		require.NoError(t, err, source)
		if want == "" {
			require.Empty(t, findings, source)
			continue
		}
		require.Len(t, findings, 1, source)
		require.Contains(t, refusals(findings)[0], want)
		require.Equal(t, "schema-version", findings[0].Code)
	}
	m, err := mapping.Parse("m.yaml", []byte("version: 1\n"))
	require.NoError(t, err)
	findings, err := m.CheckVersion(t.Context(), b.conn)
	require.NoError(t, err)
	require.Empty(t, findings)
}
