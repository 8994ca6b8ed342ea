package inspect_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
)

// withExtension checks a catalog that has one extension, as a legacy database may have it that isn't on this machine.
func withExtension(t *testing.T, source, target *pgx.Conn, extension inspect.Extension, opts inspect.Options) []inspect.Finding {
	t.Helper()
	catalog := read(t, source)
	catalog.Extensions = []inspect.Extension{extension}
	opts.Lift = true
	found, err := inspect.Check(t.Context(), source, target, catalog, opts)
	require.NoError(t, err)
	return without(found, "size")
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	source := database(t)
	target := database(t, `create schema ext; create schema other; create extension citext schema ext; create extension hstore schema other;
		create extension xml2 schema other; create extension adminpack`)
	admin := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true}))
	for _, test := range []struct {
		name      string
		target    *pgx.Conn
		extension inspect.Extension
		expected  []string
	}{
		{"installed", target, inspect.Extension{Name: "citext", Version: "1.6", Schema: "public", Relocatable: true}, nil},
		{"to be installed", target, inspect.Extension{Name: "ltree", Version: "1.2", Schema: "public", Relocatable: true}, nil},
		{"not relocatable, from public", target, inspect.Extension{Name: "tablefunc", Version: "1.0", Schema: "public"}, nil},
		{"in the system's schema", target, inspect.Extension{Name: "adminpack", Version: "2.1", Schema: "pg_catalog"}, nil},
		{"fixed schema", target, inspect.Extension{Name: "plpgsql", Version: "1.0", Schema: "pg_catalog"}, nil},
		{"in a schema of its own", target, inspect.Extension{Name: "pgcrypto", Version: "1.3", Schema: "crypt", Relocatable: true}, []string{"warning extension-path extension pgcrypto"}},
		{"unknown", target, inspect.Extension{Name: "postgis", Version: "3.3", Schema: "public"}, []string{"refusal extension-missing extension postgis"}},
		{"another version", target, inspect.Extension{Name: "citext", Version: "1.4", Schema: "public", Relocatable: true}, []string{"warning extension-version extension citext"}},
		{"another default version", target, inspect.Extension{Name: "ltree", Version: "1.1", Schema: "public", Relocatable: true}, []string{"warning extension-version extension ltree"}},
		{"elsewhere", target, inspect.Extension{Name: "hstore", Version: "1.8", Schema: "public", Relocatable: true}, []string{"warning extension-schema extension hstore"}},
		{"elsewhere, not relocatable", target, inspect.Extension{Name: "xml2", Version: "1.1", Schema: "public"}, []string{"refusal extension-schema extension xml2"}},
		{"not relocatable, not from public", target, inspect.Extension{Name: "tablefunc", Version: "1.0", Schema: "app"}, []string{"refusal extension-schema extension tablefunc"}},
		{"trusted", admin, inspect.Extension{Name: "citext", Version: "1.6", Schema: "public", Relocatable: true}, nil},
		{"not trusted", admin, inspect.Extension{Name: "pg_buffercache", Version: "1.3", Schema: "public", Relocatable: true}, []string{"refusal extension-privilege extension pg_buffercache"}},
	} {
		require.Equal(t, test.expected, brief(withExtension(t, source, test.target, test.extension, inspect.Options{})), test.name)
	}
	found := withExtension(t, source, admin, inspect.Extension{Name: "pg_buffercache", Version: "1.3", Schema: "public"}, inspect.Options{})
	require.Equal(t, `as a superuser: CREATE EXTENSION "pg_buffercache" SCHEMA "ext"`, found[0].Hint)
	require.Empty(t, withExtension(t, source, target, inspect.Extension{Name: "citext", Version: "1.6", Schema: "public", Relocatable: true}, inspect.Options{Scratch: admin}))
	require.Equal(t, []string{"refusal extension-missing extension postgis", "refusal extension-missing extension postgis"},
		brief(withExtension(t, source, target, inspect.Extension{Name: "postgis", Version: "3.3", Schema: "public"}, inspect.Options{Scratch: admin})), "neither there nor where the lift is prepared")
}

// Rows that users put into an extension's own table.
func TestExtensionRows(t *testing.T) {
	t.Parallel()
	source := database(t, `create extension hstore; create table settings (name text primary key, stock boolean);
		insert into settings values ('a', true), ('b', false), ('c', false);
		create table other (id integer primary key);
		alter extension hstore add table settings; alter extension hstore add table other;
		update pg_extension set extconfig = array['settings'::regclass, 'other'::regclass]::oid[], extcondition = array['where not stock', ''] where extname = 'hstore'`)
	found := lifted(t, source)
	require.Equal(t, []string{"extension-rows table public.settings of extension hstore"}, refusals(found))
	require.Contains(t, found[0].Message, "2 rows")
	require.Empty(t, read(t, source).Tables, "they aren't the client's")
}
