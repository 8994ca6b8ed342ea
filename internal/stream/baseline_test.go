package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
)

// What a person looks at whose schema is dirty: each statement of the file, and whether what it makes is there.
func TestTracesTellHowFarAFileCame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", map[string]string{"001_a": "create table t (a int);\ncreate unique index concurrently if not exists \"By A\" on t (a);\nalter table only t add column b int;\nalter table t add constraint c check (a > 0);\n" +
		"alter table t add check (a > 1);\ncreate or replace function public.f() returns int language sql as 'select 1';\ncreate type tenant_a.mood as enum ('ok');\ninsert into t values (1), (2), (3);\n" +
		"drop view v;\ncreate trigger g before insert on t for each row execute function f();"})
	b.exec(t, `set search_path = tenant_a; create table t (a int, b int); create type mood as enum ('ok')`)
	traces, err := s.Traces(b.ctx, b.conn, "tenant_a", 1)
	require.NoError(t, err)
	var told []string
	for _, trace := range traces {
		told = append(told, trace.String())
	}
	require.Equal(t, []string{
		"001_a.up.sql:1: create table t (a int …: is there",
		"001_a.up.sql:2: create unique index concurrently if not …: isn't there",
		"001_a.up.sql:3: alter table only t add column …: is there",
		"001_a.up.sql:4: alter table t add constraint c …: isn't there",
		"001_a.up.sql:5: alter table t add check ( …: can't be told by a name",
		"001_a.up.sql:6: create or replace function public. …: isn't there",
		"001_a.up.sql:7: create type tenant_a.mood as …: is there",
		"001_a.up.sql:8: insert into t values (1 …: can't be told by a name",
		"001_a.up.sql:9: drop view v: isn't there",
		"001_a.up.sql:10: create trigger g before insert on …: isn't there",
	}, told)
}

// A schema that others made stands at a version once that is said, and golang-migrate and Apply go on from there.
func TestABaselineIsWhereAStreamGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.target.Role = ""
	s := read(t, "core", interopScripts())
	b.exec(t, `set search_path = tenant_a; create table customers (id bigint primary key, name text not null, city text default ';')`)
	for range 2 {
		for _, sql := range s.BaselineSQL("tenant_a", 2) {
			b.exec(t, sql)
		}
	}
	result, err := stream.Apply(b.ctx, b.conn, b.target, s, 11)
	require.NoError(t, err)
	require.Equal(t, []uint64{10, 11}, result.Applied)
	require.NoError(t, golangMigrate(t, b, interopScripts()).Up())
	require.Equal(t, "12", b.text(t, `select version::text from tenant_a.schema_migrations_core`))
}
