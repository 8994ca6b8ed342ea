package ddl_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const dump = `
\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: odd; Type: x; f(integer); Type: FUNCTION; Schema: s; Owner: -
--

CREATE FUNCTION s.f(integer) RETURNS text LANGUAGE sql AS $$
-- Name: not; Type: AN ENTRY; Schema: s; Owner: -
select 'a;b' $$;


SET default_table_access_method = heap;

--
-- Name: t i; Type: INDEX; Schema: s; Owner: -
--

CREATE INDEX i ON s.t USING btree (a);
ALTER TABLE s.t CLUSTER ON i;

\unrestrict abc
`

func TestParsesADump(t *testing.T) {
	t.Parallel()
	parsed := ddl.Parse(dump)
	require.Len(t, parsed, 2)
	require.Equal(t, "FUNCTION s.odd; Type: x; f(integer)", parsed[0].Object())
	require.Contains(t, parsed[0].SQL, "-- Name: not; Type: AN ENTRY", "a comment in a body begins no entry")
	require.Equal(t, "CREATE INDEX i ON s.t USING btree (a);\nALTER TABLE s.t CLUSTER ON i", parsed[1].SQL)
	schema, table := ddl.TableOf(parsed[1])
	require.Equal(t, "s.t", schema+"."+table)
}

func TestDividesByWhatNeedsWhat(t *testing.T) {
	t.Parallel()
	phases := ddl.Divide([]ddl.Statement{
		{Kind: "INDEX", Schema: "s", Name: "small", SQL: "CREATE INDEX small ON s.little USING btree (a)"},
		{Kind: "CONSTRAINT", Schema: "s", Name: "big pk", SQL: "ALTER TABLE ONLY s.big ADD CONSTRAINT pk PRIMARY KEY (id)"},
		{Kind: "MATERIALIZED VIEW", Schema: "s", Name: "m", SQL: "CREATE MATERIALIZED VIEW s.m AS SELECT 1 WITH NO DATA"},
		{Kind: "INDEX", Schema: "s", Name: "on_view", SQL: "CREATE INDEX on_view ON s.m USING btree (a)"},
		{Kind: "FK CONSTRAINT", Schema: "s", Name: "little fk", SQL: "ALTER TABLE ONLY s.little ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES s.big(id)"},
		{Kind: "COMMENT", Schema: "s", Name: "CONSTRAINT fk", SQL: "COMMENT ON CONSTRAINT fk ON s.little IS 'x'"},
	}, func(_, table string) int64 { return map[string]int64{"big": 10, "little": 1}[table] })
	names := func(list []ddl.Statement) (names []string) {
		for _, s := range list {
			names = append(names, s.Name)
		}
		return names
	}
	require.Equal(t, []string{"big pk", "small"}, names(phases.Indexes), "larger tables first")
	require.Equal(t, []string{"m", "on_view"}, names(phases.Others), "an index waits for the view that the section itself makes")
	require.Equal(t, []string{"little fk"}, names(phases.Keys))
	require.Equal(t, []string{"CONSTRAINT fk"}, names(phases.Last))
}

// tableMarks keeps marks beside what they mark.
type tableMarks struct {
	conn *pgx.Conn
	mu   sync.Mutex
	hold error
}

func (m *tableMarks) Hold(context.Context, pgx.Tx) error { return m.hold }

func (m *tableMarks) Done(ctx context.Context, section string) (map[int]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := map[int]bool{}
	var index int
	err := pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		// As taking a lease does, this waits for commits that an ended run left on their way.
		if _, err := tx.Exec(ctx, `lock table mark in share mode`); err != nil {
			return err
		}
		return postgres.Each(ctx, tx, `select index from mark where section = $1`, []any{section}, []any{&index}, func() error {
			done[index] = true
			return nil
		})
	})
	return done, err
}

func (m *tableMarks) Save(ctx context.Context, tx pgx.Tx, section string, index int) error {
	_, err := tx.Exec(ctx, `insert into mark values ($1, $2)`, section, index)
	return err
}

func setup(t *testing.T) (*ddl.Loader, *tableMarks) {
	t.Helper()
	dsn := localtest.Database(t)
	dial := func(ctx context.Context) (*pgx.Conn, error) {
		return postgres.Connect(ctx, dsn, postgres.Options{Application: "ddl"})
	}
	conn, err := dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	require.NoError(t, postgres.Script(t.Context(), conn, `create table mark (section text, index int, primary key (section, index)); create table made (n int)`))
	marks := &tableMarks{conn: conn}
	return &ddl.Loader{Dial: dial, Marks: marks, Path: []string{"public"}, Jobs: 3}, marks
}

func insert(n string) ddl.Statement {
	return ddl.Statement{Kind: "TEST", Name: n, SQL: "insert into made values (" + n + ")"}
}

func TestEachDefinitionTakesEffectOnce(t *testing.T) {
	t.Parallel()
	loader, marks := setup(t)
	list := []ddl.Statement{insert("1"), insert("2"), insert("x"), insert("4")}
	err := loader.Parallel(t.Context(), "section", list)
	require.ErrorContains(t, err, "create TEST x")
	list[2] = insert("3")
	require.NoError(t, loader.Parallel(t.Context(), "section", list))
	require.NoError(t, loader.Parallel(t.Context(), "section", list))
	var count, sum int
	require.NoError(t, marks.conn.QueryRow(t.Context(), `select count(*), sum(n) from made`).Scan(&count, &sum))
	require.Equal(t, []int{4, 10}, []int{count, sum})
}

func TestABatchNamesItsCulprit(t *testing.T) {
	t.Parallel()
	loader, marks := setup(t)
	require.ErrorContains(t, loader.Serial(t.Context(), "section", []ddl.Statement{insert("1"), insert("nonsense"), insert("3")}), "create TEST nonsense")
	var count int
	require.NoError(t, marks.conn.QueryRow(t.Context(), `select count(*) from made`).Scan(&count))
	require.Zero(t, count, "a batch is all or nothing")
}

func TestWhoLostTheLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	loader, marks := setup(t)
	marks.hold = errors.New("lease lost")
	require.ErrorIs(t, loader.Serial(t.Context(), "section", []ddl.Statement{insert("1")}), marks.hold)
	var count int
	require.NoError(t, marks.conn.QueryRow(t.Context(), `select count(*) from made`).Scan(&count))
	require.Zero(t, count)
}

func TestStrippedGoesBackAsItWas(t *testing.T) {
	t.Parallel()
	_, marks := setup(t)
	conn := marks.conn
	require.NoError(t, postgres.Script(t.Context(), conn, `
		create table parent (id int primary key, code text unique); create table other (parent_id int references parent);
		create table child (id int primary key, parent_id int references parent on delete cascade deferrable, note text);
		create index child_note on child (lower(note)) where note is not null; comment on index child_note is 'an index';
		comment on constraint child_parent_id_fkey on child is 'a key';
		create function touch() returns trigger language plpgsql as 'begin return new; end';
		create trigger touch before insert on child for each row execute function touch(); alter table child disable trigger touch`))
	definitions := func() (list []string) {
		var line string
		require.NoError(t, postgres.Each(t.Context(), conn, `
			select conrelid::regclass || conname || pg_get_constraintdef(oid) || coalesce(obj_description(oid, 'pg_constraint'), '') from pg_constraint where conrelid <> 0
			union all select pg_get_indexdef(indexrelid) || coalesce(obj_description(indexrelid, 'pg_class'), '') from pg_index where indrelid in ('parent'::regclass, 'child'::regclass)
			union all select pg_get_triggerdef(oid) || tgenabled::text from pg_trigger where not tgisinternal order by 1`, nil, []any{&line}, func() error {
			list = append(list, line)
			return nil
		}))
		return list
	}
	was := definitions()
	stripped, err := ddl.ReadStripped(t.Context(), conn, "public", []string{"parent", "child"})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error { return stripped.Strip(t.Context(), tx) }))
	}
	require.Less(t, len(definitions()), len(was)-5)
	for _, statement := range stripped.InOrder() {
		require.NoError(t, postgres.Script(t.Context(), conn, statement.SQL), statement.Object())
	}
	require.Equal(t, was, definitions())
}
