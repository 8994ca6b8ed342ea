package provision

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompact(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ dump, want []string }{
		"keys": {
			[]string{"CREATE TABLE s.t (\n    id int,\n    b text\n)", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k PRIMARY KEY (id)", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT u UNIQUE (b)"},
			[]string{"CREATE TABLE s.t (\n    id int,\n    b text,\n    CONSTRAINT k PRIMARY KEY (id),\n    CONSTRAINT u UNIQUE (b)\n)"},
		},
		"a table without columns": {
			[]string{"CREATE TABLE s.t (\n)\nINHERITS (s.p)", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k PRIMARY KEY (id)"},
			[]string{"CREATE TABLE s.t (CONSTRAINT k PRIMARY KEY (id)\n)\nINHERITS (s.p)"},
		},
		"identities": {
			[]string{
				`CREATE TABLE s.t (` + "\n" + `    n numeric(3,2) DEFAULT f("id", 1) NOT NULL,` + "\n" + `    "id" int NOT NULL` + "\n)",
				`ALTER TABLE s.t ALTER COLUMN "id" ADD GENERATED ALWAYS AS IDENTITY (START WITH 1)`,
			},
			[]string{`CREATE TABLE s.t (` + "\n" + `    n numeric(3,2) DEFAULT f("id", 1) NOT NULL,` + "\n" + `    "id" int NOT NULL GENERATED ALWAYS AS IDENTITY (START WITH 1)` + "\n)"},
		},
		"partitions keep theirs": {
			[]string{
				"CREATE TABLE s.p (a int) PARTITION BY RANGE (a)", "CREATE TABLE s.c (a int)", "ALTER TABLE ONLY s.p ATTACH PARTITION s.c DEFAULT",
				"ALTER TABLE ONLY s.p\n    ADD CONSTRAINT pk PRIMARY KEY (a)", "ALTER TABLE ONLY s.c\n    ADD CONSTRAINT ck PRIMARY KEY (a)", "ALTER INDEX s.pk ATTACH PARTITION s.ck",
			},
			[]string{
				"CREATE TABLE s.p (a int) PARTITION BY RANGE (a)", "CREATE TABLE s.c (a int)", "ALTER TABLE ONLY s.p ATTACH PARTITION s.c DEFAULT",
				"ALTER TABLE ONLY s.p\n    ADD CONSTRAINT pk PRIMARY KEY (a)", "ALTER TABLE ONLY s.c\n    ADD CONSTRAINT ck PRIMARY KEY (a)", "ALTER INDEX s.pk ATTACH PARTITION s.ck",
			},
		},
		"foreign keys of one table": {
			[]string{
				"ALTER TABLE ONLY s.t\n    ADD CONSTRAINT a FOREIGN KEY (a) REFERENCES s.u(a)", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT b FOREIGN KEY (b) REFERENCES s.u(b)",
				"ALTER TABLE ONLY s.u\n    ADD CONSTRAINT c FOREIGN KEY (c) REFERENCES s.u(c)",
			},
			[]string{
				"ALTER TABLE ONLY s.t\n    ADD CONSTRAINT a FOREIGN KEY (a) REFERENCES s.u(a),\n    ADD CONSTRAINT b FOREIGN KEY (b) REFERENCES s.u(b)",
				"ALTER TABLE ONLY s.u\n    ADD CONSTRAINT c FOREIGN KEY (c) REFERENCES s.u(c)",
			},
		},
		"views": {
			[]string{"CREATE VIEW s.v AS\nSELECT\n    NULL::int AS a", "COMMENT ON VIEW s.v IS 'v'", "CREATE TABLE s.t (a int)", "CREATE OR REPLACE VIEW s.v AS\n SELECT a FROM s.t"},
			[]string{"CREATE TABLE s.t (a int)", "CREATE OR REPLACE VIEW s.v AS\n SELECT a FROM s.t;\nCOMMENT ON VIEW s.v IS 'v'"},
		},
		"sequences at their beginning": {
			[]string{"SELECT pg_catalog.setval('s.a', 1, false)", "SELECT pg_catalog.setval('s.b', 1, true)"},
			[]string{"SELECT pg_catalog.setval('s.b', 1, true)"},
		},
		"views that others need": {
			[]string{"CREATE VIEW s.v AS\nSELECT\n    NULL::int AS a", "CREATE VIEW s.w AS\n SELECT a FROM s.v", "CREATE OR REPLACE VIEW s.v AS\n SELECT 1 AS a"},
			[]string{"CREATE VIEW s.v AS\nSELECT\n    NULL::int AS a", "CREATE VIEW s.w AS\n SELECT a FROM s.v", "CREATE OR REPLACE VIEW s.v AS\n SELECT 1 AS a"},
		},
	} {
		require.Equal(t, tc.want, compact(tc.dump), name)
	}
}

func TestCompileFindsEveryPlace(t *testing.T) {
	t.Parallel()
	const name = "tenantctl_template_x"
	c, err := compile(name, `CREATE TABLE tenantctl_template_x.t (id int DEFAULT nextval('tenantctl_template_x.s'::regclass));
		CREATE FUNCTION f() SET search_path TO 'tenantctl_template_x', 'ext' AS $$ select 1 $$; grant select on tenantctl_template_x.t to "tenantctl_template_x__role__core"`)
	require.NoError(t, err)
	require.Equal(t, `CREATE TABLE "a'B""c".t (id int DEFAULT nextval('"a''B""c".s'::regclass));
		CREATE FUNCTION f() SET search_path TO 'a''B"c', 'ext' AS $$ select 1 $$; grant select on "a'B""c".t to "the role"`,
		c.instantiate(`a'B"c`, map[string]string{"core": "the role"}))
	for _, hidden := range []string{`$$ tenantctl_template_x.t $$`, `'see tenantctl_template_x'`, `tenantctl_template_xy`} {
		_, err := compile(name, "select "+hidden)
		require.Error(t, err, hidden)
	}
}

func TestEssenceLeavesSessionAndSchemaOut(t *testing.T) {
	t.Parallel()
	got := essence(withoutMetaCommands(strings.Join([]string{
		`\restrict aB3`, `SET lock_timeout = 0;`, `SELECT pg_catalog.set_config('search_path', '', false);`, `-- a comment`, `CREATE SCHEMA s;`,
		`COMMENT ON SCHEMA s IS 'SET; x';`, `SET SESSION AUTHORIZATION 'the owner';`, `SET default_tablespace = '';`, `CREATE TABLE s.t (a text DEFAULT '\restrict');`,
		`SET SESSION AUTHORIZATION other;`, `CREATE TABLE s.u ();`, `\unrestrict aB3`, ``,
	}, "\n")))
	require.Equal(t, []string{
		`set local role "the owner"`, `CREATE TABLE s.t (a text DEFAULT '\restrict')`, `set local role "other"`, `CREATE TABLE s.u ()`,
	}, got)
}
