package stream_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

func TestReadOrdersByNumber(t *testing.T) {
	t.Parallel()
	s := read(t, "core", map[string]string{"10_c": "select 1", "9_b": "select 2", "0001_a": "select 3"})
	require.Equal(t, []uint64{1, 9, 10}, s.Versions())
	require.Equal(t, uint64(10), s.Newest())
	require.Equal(t, "schema_migrations_core", s.Table())
	require.Equal(t, stream.PerTenant, s.Scope)
	file, err := s.File(9)
	require.NoError(t, err)
	require.Equal(t, "b", file.Name)
	require.Equal(t, "9_b.down.sql", file.Down.Path)
	_, err = s.File(8)
	require.ErrorIs(t, err, tenant.ErrNotFound)
}

func TestReadNamesTheFilesAtFault(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"001_a.up.sql and 1_a.up.sql are both version 1":                   {"001_a.up.sql", "1_a.up.sql", "001_a.down.sql"},
		"001_a.up.sql and 001_b.up.sql.bak are both version 1":             {"001_a.up.sql", "001_b.up.sql.bak"},
		"99999999999999999999_a.up.sql: 99999999999999999999 is too large": {"99999999999999999999_a.up.sql"},
		"no NNN_name.up.sql": {"README.md", "schema.sql", "001.up.sql"},
	} {
		fsys := fstest.MapFS{}
		for _, name := range names {
			fsys[name] = &fstest.MapFile{Data: []byte("select 1;")}
		}
		_, err := stream.Read("core", fsys)
		require.ErrorIs(t, err, tenant.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}

// A way down of comments alone takes nothing back; whoever means that has to say so.
func TestAWayDownOfCommentsIsNone(t *testing.T) {
	t.Parallel()
	for down, hint := range map[string]string{"": "write its .down.sql", "-- nothing": "write the statements of 001_a.down.sql, which has none (`select 1;`"} {
		names := map[string]string{"001_a.up.sql": "alter type mood add value 'meh'"}
		if down != "" {
			names["001_a.down.sql"] = down
		}
		s, err := stream.Read("core", folder(names))
		require.NoError(t, err)
		err = s.CheckReversible(1, nil)
		require.ErrorIs(t, err, tenant.ErrRefused)
		require.Contains(t, tenant.Hints(err)[0], hint)
	}
	s, err := stream.Read("core", folder(map[string]string{"001_a.up.sql": "alter type mood add value 'meh'", "001_a.down.sql": "select 1;"}))
	require.NoError(t, err)
	require.NoError(t, s.CheckReversible(1, nil))
}

// golang-migrate passes over in silence what it takes for no migration.
func TestNoticesTellWhatIsNeverRun(t *testing.T) {
	t.Parallel()
	s, err := stream.Read("core", folder(map[string]string{
		"001_a.up.sql": "", "002_b.down.sql": "", "003.up.sql": "", "4-d.sql": "", "notes.up.sql": "", "schema.sql": "", "README.md": "",
	}))
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2}, s.Versions())
	require.Equal(t, []string{
		"003.up.sql isn't called NNN_name.up.sql or NNN_name.down.sql, and is never run",
		"4-d.sql isn't called NNN_name.up.sql or NNN_name.down.sql, and is never run",
		"notes.up.sql isn't called NNN_name.up.sql or NNN_name.down.sql, and is never run",
		"002_b.down.sql has no way up beside it: version 2 does nothing",
	}, s.Notices())
}

func TestReadRefusesWhatNoServerCouldRun(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"select 1;\nselect 'open":                            "001_a.up.sql:2: a quote or comment begins here",
		"select 1;\n\n/* /* */":                              "001_a.up.sql:3:",
		"select 1;\ncopy t from stdin;\n1\tit's open\n\\.\n": "001_a.up.sql:2: COPY from the client",
		"\\restrict abc\n\nselect 1;":                        `001_a.up.sql:1: \restrict is a command of psql, which no server understands`,
		"create table t ();\n\n-- x\n\\set a 1\nselect :a":   `001_a.up.sql:4: \set is a command of psql`,
		"select 1 \\gset":                                    `001_a.up.sql:1: \gset is a command of psql`,
	} {
		_, err := stream.Read("core", files(map[string]string{"001_a": sql}))
		require.ErrorIs(t, err, tenant.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	_, err := stream.Read("a-service-whose-name-leaves-no-room-for-its-version-table", files(map[string]string{"001_a": "select 1"}))
	require.ErrorIs(t, err, tenant.ErrInvalid)
}

func TestModes(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]stream.Mode{
		"create table t ()":                                                  stream.Transactional,
		"create index i on t (a)":                                            stream.Transactional,
		"create unique index concurrently i on t (a)":                        stream.Autocommit,
		"/* why */ CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);":      stream.Autocommit,
		"select 'create index concurrently'; -- drop index concurrently":     stream.Transactional,
		"do $$ begin execute 'create index concurrently i on t (a)'; end $$": stream.Transactional,
		"drop index concurrently i":                                          stream.Autocommit,
		"reindex (verbose) table concurrently t":                             stream.Autocommit,
		"reindex schema s":                                                   stream.Autocommit,
		"reindex table t":                                                    stream.Transactional,
		"discard all":                                                        stream.Autocommit,
		"discard plans":                                                      stream.Transactional,
		"commit prepared 'x'":                                                stream.Autocommit,
		"alter database d set tablespace s":                                  stream.Autocommit,
		"alter system set work_mem = '1MB'":                                  stream.Autocommit,
		"alter subscription s refresh publication":                           stream.Autocommit,
		"alter subscription s disable":                                       stream.Transactional,
		"create subscription s connection '' publication p":                  stream.Autocommit,
		"drop tablespace s":                                                  stream.Autocommit,
		"do $$ begin update t set a = 1; commit; end $$":                     stream.Autocommit,
		"do $$ begin call p(); end $$":                                       stream.Autocommit,
		"do $$ begin raise 'commit'; end $$":                                 stream.Transactional,
		"select 1; do $$ begin commit; end $$":                               stream.Transactional,
		"begin; call p(); commit":                                            stream.Transactional,
		"begin; create index concurrently i on t (a); commit":                stream.Autocommit,
		"alter table t detach partition p concurrently":                      stream.Autocommit,
		"alter database d set x = 1":                                         stream.Transactional,
		"create database d":                                                  stream.Autocommit,
		"vacuum t":                                                           stream.Autocommit,
		"cluster":                                                            stream.Autocommit,
		"cluster t using i":                                                  stream.Transactional,
		"refresh materialized view concurrently m":                           stream.Transactional,
		"begin; create table t (); commit":                                   stream.Transactional,
		"start transaction; create table t (); end":                          stream.Transactional,
		"begin; create table t (); commit; begin; create table u (); commit": stream.Autocommit,
		"create table t (); commit; create table u ()":                       stream.Autocommit,
		"savepoint s; create table t (); rollback to s":                      stream.Transactional,
		"call backfill()":                                                    stream.Autocommit,
		"create function f() returns int begin atomic select 1; end; create table t ()": stream.Transactional,
	} {
		s := read(t, "core", map[string]string{"001_a": sql})
		require.Equal(t, want, s.Files()[0].Up.Mode, sql)
	}
}

func TestHashCoversWhatLeadsUpToAVersion(t *testing.T) {
	t.Parallel()
	scripts := threeFiles()
	before := read(t, "core", scripts)
	require.NotEqual(t, before.Hash(2), before.Hash(10))
	scripts["010_function"] += " "
	after := read(t, "core", scripts)
	require.Equal(t, before.Hash(2), after.Hash(2))
	require.NotEqual(t, before.Hash(10), after.Hash(10))
	require.NotEqual(t, before.Hash(2), read(t, "other", scripts).Hash(2))
}
