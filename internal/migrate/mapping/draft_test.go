package mapping_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/mapping"
)

const oddLegacy = `
	create schema "Odd";
	create table "tblCustomers" (
		"CustomerID" serial primary key, "Name" varchar(80) not null, "ZIP" char(5), "E-Mail" text, "Created" timestamp, "Active" smallint,
		"Born" date, "Balance" real, "Photo" bytea, "Twice" integer generated always as ("CustomerID" * 2) stored,
		"it's: odd # {x}" text, "select" text, "Größe" text, "a.b" int, "line
break" text);
	create table "Odd"."Log *" (id int, "null" text);
	create table bookings (customer int, "on" date, "Amount" numeric(10, 2), currency text, note text);
	create table parted (id int, d date) partition by range (d);
	create table parted_1 partition of parted for values from ('2020-01-01') to ('2021-01-01');
	create foreign data wrapper nothing; create server elsewhere foreign data wrapper nothing;
	create foreign table far (id int) server elsewhere`

const oddPlatform = `
	create table customers (
		id bigint primary key, name text not null, postal_code text, email text, created_at timestamptz, active boolean, born date,
		balance numeric(10, 2), tier text not null, extra jsonb);
	create table postings (id bigint generated always as identity primary key, posted_on date not null, amount numeric(12, 2) not null, currency text not null, note text)`

func TestDraft(t *testing.T) {
	t.Parallel()
	b := setup(t, oddLegacy, oddPlatform)
	b.target.Tables[0].Service = "core"
	draft := string(mapping.Draft(b.catalog(), b.target))
	head, body, _ := strings.Cut(draft, "\n")
	require.Regexp(t, `^# Drafted from database "db_\w+"\. Read each line: names and types were matched, meaning wasn't\.$`, head)
	require.Equal(t, `version: 1

tables:

  # paired by its columns, not by its name: is it the same thing?
  - from: public.bookings
    to: postings
    columns:
      # decide: posted_on needs a value (date not null) and nothing looks like it
      amount: '"Amount"'
      currency: currency
      note: note

  - from: 'public."tblCustomers"'
    to: customers
    service: core
    columns:
      id: '"CustomerID"'
      name: '"Name"'
      postal_code: '"ZIP"'
      email: '"E-Mail"'
      created_at: { sql: '"Created" at time zone ''UTC''', reverse: { '"Created"': 'created_at at time zone ''UTC''' } } # which zone did the legacy mean?
      active: { sql: '"Active" <> 0', reverse: { '"Active"': 'case when active then 1 else 0 end' } } # are there values besides 0 and 1?
      born: '"Born"'
      balance: '"Balance"'
      # decide: tier needs a value (text not null) and nothing looks like it
      extra.it_s_odd_x: '"it''s: odd # {x}"'
      'extra."select"': '"select"'
      'extra."größe"': '"Größe"'
      extra.a_b: '"a.b"'
      extra.line_break: "\"line\nbreak\""

# Carried as they are, beside the mapped ones.
lift:
  - '"Odd"."Log *"'
  - public.parted

# decide: map these, or leave them behind with a reason.
# - { column: public.bookings.customer, reason: '' }
# - { column: 'public.bookings."on"', reason: '' }
# - { column: 'public."tblCustomers"."Photo"', reason: '' }
# - { table: public.far, reason: '' }

ignore:
  - { column: 'public."tblCustomers"."Twice"', reason: 'computed by the legacy database' }
`, body)
	require.Equal(t, []string{
		"mapping of public.bookings to postings.posted_on", `mapping of public."tblCustomers" to customers.tier`,
		"column public.bookings.customer", `column public.bookings."on"`, "table public.far", `column public."tblCustomers"."Photo"`,
	}, refusedObjects(b, draft), "what is to be decided is refused until it is")

	decided := strings.NewReplacer(
		"      # decide: posted_on needs", "      posted_on: '\"on\"'\n      # decide: posted_on needs",
		"      # decide: tier needs", "      tier: \"'gold'\"\n      # decide: tier needs",
		"ignore:\n", "ignore:\n  - { column: public.bookings.customer, reason: r }\n  - { column: 'public.\"tblCustomers\".\"Photo\"', reason: r }\n  - { table: public.far, reason: r }\n",
	).Replace(draft)
	require.Empty(t, refusedObjects(b, decided))
}

func refusedObjects(b *testBundle, text string) []string {
	_, findings := b.compile(text)
	var found []string
	for _, f := range findings {
		if f.Severity == inspect.Refusal {
			found = append(found, f.Object)
		}
	}
	return found
}

func TestDraftOfNothing(t *testing.T) {
	t.Parallel()
	_, err := mapping.Parse("draft.yaml", mapping.Draft(&inspect.Catalog{}, mapping.TargetCatalog{}))
	require.NoError(t, err)
}

// Whatever names a legacy schema has, the draft is read back as what it says.
func FuzzDraft(f *testing.F) {
	f.Add("Orders", "Order ID")
	f.Add("it's", "a: b # c")
	f.Add("null", "true")
	f.Add("x\ny", "\"quoted\"")
	f.Add("- a", "{a: b}")
	f.Add("\u0085", "\u2028")
	f.Fuzz(func(t *testing.T, table, column string) {
		if table == "" || column == "" || len(table) > 63 || len(column) > 63 || strings.ContainsRune(table+column, 0) || !utf8.ValidString(table) || !utf8.ValidString(column) {
			return
		}
		relation := inspect.Relation{Schema: table, Name: table}
		catalog := &inspect.Catalog{Tables: []inspect.Table{
			{Relation: inspect.Relation{Schema: table, Name: "orders"}, Kind: inspect.Ordinary, Columns: []inspect.Column{{Name: column, TypeOID: 25}, {Name: column + "x", TypeOID: 17}}},
			{Relation: relation, Kind: inspect.Ordinary},
		}}
		target := mapping.TargetCatalog{Tables: []mapping.TargetTable{{Name: "orders", Columns: []mapping.TargetColumn{
			{Name: "extra", Base: mapping.BaseType{OID: 3802, Schema: "pg_catalog", Name: "jsonb", Modifier: -1}},
			{Name: column + "y", NotNull: true, Base: mapping.BaseType{OID: 23, Schema: "pg_catalog", Name: "int4", Modifier: -1}},
		}}}}
		if table == "orders" {
			return
		}
		draft := mapping.Draft(catalog, target)
		m, err := mapping.Parse("draft.yaml", draft)
		require.NoError(t, err, string(draft))
		require.Equal(t, mapping.Name{Schema: table, Name: "orders"}, m.Tables[0].From)
		name, err := mapping.ParseName(m.Tables[0].Columns[0].SQL)
		require.NoError(t, err)
		require.Equal(t, column, name.Name)
		require.True(t, m.Lift[len(m.Lift)-1].Matches(table, table, nil))
	})
}
