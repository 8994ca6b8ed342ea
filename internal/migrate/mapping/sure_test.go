package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/inspect"
)

// What is known of a cast without trying it must be what trying it would show: over doubles that are decimals, their neighbors, and
// those at the ends.
func TestWhatIsSureIsWhatATrialFinds(t *testing.T) {
	t.Parallel()
	const money = `
		create table bill (id bigserial primary key, total float8, paid timestamp);
		select setseed(0.5);
		with decimals (x) as (
			select (round((random() - 0.5) * power(10, 2 + i %% 14)) / 1e%[1]d)::float8 from generate_series(1, 4000) i
		)
		insert into bill (total, paid) select t, timestamp '2020-01-01' + random() * interval '10 years'
		from decimals, lateral (values (x), (x * (1 + 2.3e-16)), (x * (1 - 2.3e-16)), (x + 1e-7), (x + 0.5 / 1e%[1]d)) as near (t);
		insert into bill (total, paid) values (0, '-infinity'), ('-0', 'infinity'), (null, null), ('NaN', '4713-01-01 BC'), (1e-300, '294276-12-31 23:59:59.999999')`
	for _, digits := range [][2]int{{15, 2}, {12, 4}, {15, 15}, {17, 2}} {
		precision, scale := digits[0], digits[1]
		b := setup(t, fmt.Sprintf(money, scale), fmt.Sprintf("create table bill (id bigint primary key, total numeric(%d, %d), paid timestamptz)", precision, scale))
		b.run(fmt.Sprintf("delete from bill where abs(total) >= 0.999 * 1e%d and total <> 'NaN'", precision-scale)) // tried below
		compiled := b.sound(fmt.Sprintf(`version: 1
tables:
- from: bill
  to: bill
  columns:
    id: id
    total: { sql: 'total::numeric(%d,%d)', reverse: { total: 'total::float8' } }
    paid: { sql: paid at time zone 'UTC', reverse: { paid: paid at time zone 'UTC' } }
`, precision, scale))
		var changed, all int
		require.NoError(t, b.conn.QueryRow(t.Context(), fmt.Sprintf(
			`select count(*) filter (where total::numeric(%d,%d)::float8 is distinct from total), count(*) from bill`, precision, scale)).Scan(&changed, &all))
		require.Greater(t, changed, 300)
		require.Greater(t, all, changed+300)
		findings := b.try(compiled)
		require.Empty(t, refusals(findings))
		warnings := lines(findings, inspect.Warning)
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0], fmt.Sprintf("round-trip | reverse of public.bill.total | %d rows of public.bill would not come back unchanged", changed))

		limit := fmt.Sprintf("1e%d", precision-scale)
		b.run("delete from bill", "insert into bill (id, total) values (1, "+limit+"), (2, -"+limit+"), (3, 'infinity'), (4, 1e300)")
		found := refusals(b.try(compiled))
		require.Len(t, found, 1, limit)
		require.Contains(t, found[0], "fails for 4 rows of public.bill: id=1: numeric field overflow")
	}
}

// A domain's condition, or a column that forbids null, is tried whatever is known of the cast.
func TestWhatIsSureSaysNothingOfOtherConditions(t *testing.T) {
	t.Parallel()
	b := setup(t, "create table bill (id int primary key, total float8, rest float8); insert into bill values (1, 1.25, 7), (2, null, 8), (3, 3, -1)",
		"create domain positive as numeric(12,2) check (value > 0); create table bill (id int primary key, total numeric(12,2) not null, rest positive)")
	found := refusals(b.try(b.sound("version: 1\ntables:\n- from: bill\n  to: bill\n  columns: { id: id, total: 'total::numeric(12,2)', rest: 'rest::numeric(12,2)' }\n")))
	require.Len(t, found, 2)
	require.True(t, strings.HasPrefix(found[0], "null-rows | mapping of public.bill to bill.total | 1 row of public.bill would give null"), found[0])
	require.Contains(t, found[1], "forbidden-rows | mapping of public.bill to bill.rest | 1 row of public.bill would break the domain tenant_x.positive")
}
