package localtest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/postgres"
)

// DatabaseOptions say how a database differs from a plain one.
type DatabaseOptions struct {
	// Encoding, such as LATIN1, and Locale, such as C; empty means the server's (UTF8, C.UTF-8).
	Encoding, Locale string
	// Admin makes the owner a fresh role with LOGIN, CREATEROLE and CREATEDB instead of the superuser: what managed
	// services give.
	Admin bool
	// Server is where the database is made; nil means the shared server.
	Server *local.Postgres
}

// Database makes an empty database on the shared server and returns the superuser's connection string. It is dropped when t
// ends, together with its slots, subscriptions and prepared transactions.
func Database(t testing.TB) string {
	t.Helper()
	return DatabaseAs(t, DatabaseOptions{})
}

// DatabaseAs makes an empty database and returns its owner's connection string.
func DatabaseAs(t testing.TB, opts DatabaseOptions) string {
	t.Helper()
	server := opts.Server
	if server == nil {
		server = Server(t)
	}
	name := "db_" + randomName()
	owner := local.Superuser
	dsn := server.DSN(name)
	ctx := context.Background()
	conn := connect(t, server.DSN("postgres"))
	if opts.Admin {
		owner = "admin_" + randomName()
		password := randomName()
		_, err := conn.Exec(ctx, `create role `+postgres.Ident(owner)+` login createrole createdb password `+postgres.Literal(password))
		require.NoError(t, err)
		dsn = server.DSNAs(owner, password, name)
		t.Cleanup(func() { dropRole(t, server, owner) })
	}
	_, err := conn.Exec(ctx, createDatabase(name, owner, opts))
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
	t.Cleanup(func() { dropDatabase(t, server, name) })
	return dsn
}

func createDatabase(name, owner string, opts DatabaseOptions) string {
	sql := `create database ` + postgres.Ident(name) + ` template template0 owner ` + postgres.Ident(owner)
	if opts.Encoding != "" {
		sql += ` encoding ` + postgres.Literal(opts.Encoding)
	}
	if opts.Locale != "" {
		sql += ` locale ` + postgres.Literal(opts.Locale)
	}
	return sql
}

// Prefix is a random prefix for roles, which are the whole server's. Roles that begin with it are dropped when t ends, on the
// shared server.
func Prefix(t testing.TB) string {
	t.Helper()
	return PrefixOn(t, Server(t))
}

// PrefixOn is Prefix for a server of NewServer.
func PrefixOn(t testing.TB, server *local.Postgres) string {
	t.Helper()
	prefix := "k" + randomName()[:5] + "_"
	t.Cleanup(func() { dropRoles(t, server, prefix) })
	return prefix
}

// randomName is a name that needs no quoting.
func randomName() string { return strings.ToLower(rand.Text())[:12] }

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := postgres.Connect(ctx, dsn, options())
	require.NoError(t, err)
	return conn
}

// options let a session work on a database that a test has left read only.
func options() postgres.Options {
	return postgres.Options{Application: "localtest", Settings: map[string]string{"default_transaction_read_only": "off"}}
}
