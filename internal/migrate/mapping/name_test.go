package mapping_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/mapping"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]mapping.Name{
		`orders`:             {Name: "orders"},
		`Orders`:             {Name: "orders"},
		` public . Orders `:  {},
		`public.orders`:      {Schema: "public", Name: "orders"},
		`PUBLIC."Orders"`:    {Schema: "public", Name: "Orders"},
		`"Odd Schema".t`:     {Schema: "Odd Schema", Name: "t"},
		`"say ""hi"".x"`:     {Name: `say "hi".x`},
		`"a.b"."c.d"`:        {Schema: "a.b", Name: "c.d"},
		`U&"d\0061t"`:        {Name: "dat"},
		`größe`:              {Name: "größe"},
		`order`:              {Name: "order"},
		`"` + long(63) + `"`: {Name: long(63)},
	} {
		name, err := mapping.ParseName(text)
		if want == (mapping.Name{}) {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, name, text)
	}
}

func long(n int) string { return strings.Repeat("n", n) }

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:            "a name is missing",
		`a.b.c`:       "a.b.c has 3 parts; a table is named by schema.table or table",
		`"open`:       `"open has a quote that isn't closed`,
		`""`:          `"" is not a name`,
		`a.`:          "a. is not a name",
		`.a`:          ".a is not a name",
		`a b`:         `a b is not a name; names with blanks, signs or capitals need double quotes: public."Odd Name"`,
		`1st`:         "1st is not a name",
		`order-lines`: "order-lines is not a name",
		`a..b`:        "a..b is not a name",
		`a;drop`:      "a;drop is not a name",
	} {
		_, err := mapping.ParseName(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestPatternMatches(t *testing.T) {
	t.Parallel()
	path := []string{"public", "app"}
	for _, c := range []struct {
		pattern, schema, name string
		want                  bool
	}{
		{`public.custom_*`, "public", "custom_notes", true},
		{`public.custom_*`, "public", "custom_", true},
		{`public.custom_*`, "public", "customers", false},
		{`public.custom_*`, "other", "custom_notes", false},
		{`PUBLIC.Custom_*`, "public", "custom_notes", true},
		{`public."Custom*"`, "public", "CustomNotes", true},
		{`public."Custom*"`, "public", "customNotes", false},
		{`*.*`, "anything", "At All", true},
		{`*`, "app", "t", true},
		{`*`, "elsewhere", "t", false},
		{`orders`, "public", "orders", true},
		{`orders`, "elsewhere", "orders", false},
		{`s*.*_log`, "sales", "audit_log", true},
		{`s*.*_log`, "sales", "audit_logs", false},
		{`*.a*b*c`, "x", "abc", true},
		{`*.a*b*c`, "x", "a-b-b-c", true},
		{`*.a*b*c`, "x", "acb", false},
		{`*.a*a`, "x", "a", false},
		{`"say ""hi"" *".t`, `say "hi" there`, "t", true},
		{`"a.b".*`, "a.b", "c", true},
	} {
		pattern, err := mapping.ParsePattern(c.pattern)
		require.NoError(t, err, c.pattern)
		require.Equal(t, c.want, pattern.Matches(c.schema, c.name, path), "%s against %s.%s", c.pattern, c.schema, c.name)
		require.Equal(t, c.pattern, pattern.String())
	}
}

func TestParsePatternRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:        `"" is not a pattern; write public.custom_* or public."Custom*", where * stands for any characters`,
		`a.b.c`:   "a.b.c has 3 parts; a pattern is schema.table or table",
		`"open`:   `"open has a quote that isn't closed`,
		`"".t`:    "is not a pattern",
		`a b`:     "is not a pattern",
		`a.`:      "is not a pattern",
		`"a"b`:    "is not a pattern",
		`cust-*`:  "is not a pattern",
		`public.`: "is not a pattern",
	} {
		_, err := mapping.ParsePattern(text)
		require.ErrorContains(t, err, want, text)
	}
}

// What is written by String is read back as the same name.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{`orders`, `public."Orders"`, `"Odd Schema".t`, `"a""b"`, `U&"\0061"`, `a.b.c`, `"`, `"".""`, "ä.ö", "select"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := mapping.ParseName(text)
		if err != nil {
			return
		}
		again, err := mapping.ParseName(name.String())
		require.NoError(t, err, "%q from %q", name.String(), text)
		require.Equal(t, name, again)
	})
}

// A pattern without a star means exactly one table.
func FuzzPattern(f *testing.F) {
	f.Add(`public.custom_*`, "public", "custom_a")
	f.Add(`"Custom*"`, "public", "CustomX")
	f.Add(`*.*`, "", "")
	f.Add(`"a""*".b*c`, `a"x`, "bc")
	f.Fuzz(func(t *testing.T, text, schema, name string) {
		pattern, err := mapping.ParsePattern(text)
		if err != nil {
			return
		}
		matches := pattern.Matches(schema, name, []string{schema})
		switch {
		case !strings.Contains(text, "*") && pattern.Schema == "":
			require.Equal(t, pattern.Name == name, matches)
		case !strings.Contains(text, "*"):
			require.Equal(t, pattern.Schema == schema && pattern.Name == name, matches)
		case pattern.Name == "*" && (pattern.Schema == "*" || pattern.Schema == ""):
			require.True(t, matches)
		}
	})
}
