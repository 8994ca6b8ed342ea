package inspect_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A stored generated column that its expression wouldn't give again can't be carried: it is named with the rows' keys.
func TestStaleGeneratedColumns(t *testing.T) {
	t.Parallel()
	source := database(t, `
		create schema tools;
		create table tools.factors (factor numeric);
		insert into tools.factors values (2);
		create function factor() returns numeric language plpgsql immutable as $$ begin return (select factor from factors); end $$;
		create function fails(integer) returns integer language plpgsql immutable as $$ begin return $1 / nullif($1, 3); end $$;
		set search_path = public, tools;
		create table stale (id integer primary key, v numeric, "G" numeric(8, 2) generated always as (v * factor()) stored, same text generated always as (upper(v::text)) stored);
		create table keyless (v integer, g integer generated always as (fails(v)) stored);
		insert into stale (id, v) values (1, 10), (2, null), (3, 30);
		insert into keyless values (1), (3);
		update tools.factors set factor = 3;
		create or replace function fails(integer) returns integer language plpgsql immutable as $$ begin return $1 / ($1 - 3); end $$;
		do $$ begin execute format('alter database %I set search_path = public, tools', current_database()); end $$`)
	found := lifted(t, source)
	require.Equal(t, []string{"generated-fails column public.keyless.g", `generated-stale column public.stale."G"`}, refusals(found))
	stale := find(t, found, "generated-stale", `column public.stale."G"`)
	require.Contains(t, stale.Message, "in 2 rows")
	require.Contains(t, stale.Message, "id=1 (\"G\"); id=3 (\"G\")")
	require.Contains(t, stale.Hint, `ALTER COLUMN "G" DROP EXPRESSION`)
	require.Contains(t, find(t, found, "generated-fails", "column public.keyless.g").Message, "division by zero")
}
