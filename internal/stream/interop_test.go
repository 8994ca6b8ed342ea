package stream_test

import (
	"net/url"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// golangMigrate is the library as its own command line tool uses it.
func golangMigrate(t *testing.T, b bundle, scripts map[string]string) *migrate.Migrate {
	t.Helper()
	from, err := iofs.New(files(scripts), ".")
	require.NoError(t, err)
	dsn, err := url.Parse(b.dsn)
	require.NoError(t, err)
	query := dsn.Query()
	query.Set("search_path", b.target.Schema)
	query.Set("x-migrations-table", stream.TableFor("core"))
	dsn.Scheme, dsn.RawQuery = "pgx5", query.Encode()
	m, err := migrate.NewWithSourceInstance("iofs", from, dsn.String())
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = m.Close() })
	return m
}

func interopScripts() map[string]string {
	scripts := threeFiles()
	scripts["011_index"] = "create index concurrently by_city on customers (city)"
	scripts["012_more"] = "alter table customers add email text"
	return scripts
}

func TestGolangMigrateContinuesWhatWeLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.target.Role = ""
	_, err := stream.Apply(b.ctx, b.conn, b.target, read(t, "core", interopScripts()), 2)
	require.NoError(t, err)
	m := golangMigrate(t, b, interopScripts())
	require.NoError(t, m.Up())
	version, dirty, err := m.Version()
	require.NoError(t, err)
	require.Equal(t, uint(12), version)
	require.False(t, dirty)
	require.Equal(t, b.everything(t), b.replayed(t))
}

func TestWeContinueWhatGolangMigrateLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.target.Role = ""
	m := golangMigrate(t, b, interopScripts())
	require.NoError(t, m.Steps(3))
	result, err := stream.Apply(b.ctx, b.conn, b.target, read(t, "core", interopScripts()), 12)
	require.NoError(t, err)
	require.Equal(t, []uint64{11, 12}, result.Applied)
	require.ErrorIs(t, m.Up(), migrate.ErrNoChange)
	require.Equal(t, b.everything(t), b.replayed(t))
}

func TestGolangMigrateAndWeExcludeEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.target.Role = ""
	scripts := map[string]string{"001_slow": "create table t (); select pg_sleep(0.3)"}
	m := golangMigrate(t, b, scripts)
	done := make(chan error, 1)
	go func() { done <- m.Up() }()
	result, err := stream.Apply(b.ctx, b.conn, b.target, read(t, "core", scripts), 1)
	theirs := <-done
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 1}, result.To)
	if len(result.Applied) == 0 {
		require.NoError(t, theirs)
	} else {
		require.ErrorIs(t, theirs, migrate.ErrNoChange)
	}
}

// everything is the catalog and the version row of the tenant's schema.
func (b bundle) everything(t *testing.T) string {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	dump, err := tools.Run(b.ctx, "pg_dump", b.dsn, "--schema=tenant_a", "--no-acl", "--restrict-key=x", "--inserts")
	require.NoError(t, err)
	return string(dump)
}

// replayed is everything as a psql session leaves it that runs the files one after the other.
func (b bundle) replayed(t *testing.T) string {
	t.Helper()
	b.exec(t, `drop schema tenant_a cascade; create schema tenant_a; set search_path = tenant_a;
		create table schema_migrations_core (version bigint not null primary key, dirty boolean not null)`)
	for _, file := range read(t, "core", interopScripts()).Files() {
		b.exec(t, file.Up.SQL)
	}
	b.exec(t, `insert into schema_migrations_core values (12, false); reset search_path`)
	return b.everything(t)
}
