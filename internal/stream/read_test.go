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
		"001_a.up.sql and 1_a.up.sql are both version 1":                           {"001_a.up.sql", "1_a.up.sql", "001_a.down.sql"},
		"001_a.down.sql and 001_b.up.sql are both version 1 under different names": {"001_a.down.sql", "001_b.up.sql"},
		"002_b.down.sql has no 002_b.up.sql beside it":                             {"001_a.up.sql", "001_a.down.sql", "002_b.down.sql"},
		"1-notes.sql isn't called NNN_name.up.sql":                                 {"1-notes.sql"},
		"notes.up.sql isn't called NNN_name.up.sql":                                {"notes.up.sql"},
		"99999999999999999999_a.up.sql: 99999999999999999999 is too large":         {"99999999999999999999_a.up.sql"},
		"no NNN_name.up.sql": {"README.md", "schema.sql"},
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

func TestReadRefusesWhatNoServerCouldRun(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"select 1;\nselect 'open":         "001_a.up.sql:2: a quote or comment begins here",
		"select 1;\n\n/* /* */":           "001_a.up.sql:3:",
		"select 1;\ncopy t from stdin;\n": "001_a.up.sql:2: COPY from the client",
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
