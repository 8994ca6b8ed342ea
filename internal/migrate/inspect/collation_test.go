package inspect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
)

func TestCollations(t *testing.T) {
	t.Parallel()
	source := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Locale: "C"}))
	run(t, source, `
		create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		create collation bytes from "C";
		create collation unused (provider = icu, locale = 'fr');
		create table t (id integer primary key, a text collate "de-x-icu", b text collate nocase, c text collate bytes, d text collate "POSIX");
		create table by_name (name text) partition by range (name);
		create table by_code (code text collate "C") partition by range (code);
		create table by_day (day date) partition by range (day);
		create table by_list (name text) partition by list (name)`)
	found := without(lifted(t, source), "size")
	require.Equal(t, []string{"warning collation database " + source.Config().Database, "warning collation-partition table public.by_name"}, brief(found))
	require.Contains(t, found[0].Message, "by C, the target by C.UTF-8")

	target := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Locale: "C"}))
	require.Empty(t, without(findings(t, source, target, inspect.Options{Lift: true}), "size"))

	run(t, target, `drop collation pg_catalog."de-x-icu"`)
	found = findings(t, source, target, inspect.Options{Lift: true})
	require.Equal(t, []string{`collation-missing collation pg_catalog."de-x-icu"`}, refusals(found))
	require.Contains(t, found[0].Message, "table column public.t.a uses it")
	require.Empty(t, refusals(findings(t, source, target, inspect.Options{})), "rows have no collation")

	run(t, target, `delete from pg_collation where collprovider = 'i'`)
	require.Equal(t, []string{`collation-missing collation pg_catalog."de-x-icu"`, "collation-missing collation public.nocase", "collation-missing collation public.unused"},
		refusals(findings(t, source, target, inspect.Options{Lift: true})))

	run(t, source, `update pg_collation set collversion = '1' where collname = 'nocase'`)
	require.Contains(t, find(t, lifted(t, source), "collation-version", "collation public.nocase").Message, "was version 1")
}

func TestCollationOfDatabase(t *testing.T) {
	t.Parallel()
	admin := connect(t, localtest.Server(t).DSN("postgres"))
	name := localtest.Prefix(t) + "icu"
	run(t, admin, `create database `+name+` template template0 locale_provider icu icu_locale 'de' locale 'C.UTF-8'`)
	t.Cleanup(func() {
		run(t, connect(t, localtest.Server(t).DSN("postgres")), `drop database `+name+` with (force)`)
	})
	source := connect(t, localtest.Server(t).DSN(name))
	server := read(t, source).Server
	require.Equal(t, "i", server.LocaleProvider)
	require.Equal(t, "de", server.Locale)
	found := without(lifted(t, source), "size")
	require.Equal(t, []string{"warning collation database " + name}, brief(found))
	require.Contains(t, found[0].Message, "by de (ICU)")

	run(t, source, `update pg_database set datcollversion = '1' where datname = current_database()`)
	require.Contains(t, find(t, lifted(t, source), "collation-version", "database "+name).Message, "was made with version 1")
}
