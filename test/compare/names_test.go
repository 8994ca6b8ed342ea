package compare

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sides knows a legacy with orders, a type mood, an index and an extension in public, and a log in audit, and what became of them.
func sides() (legacySide, tenantSide *names) {
	legacySide = newNames(legacy, map[string]string{"public": "public", "audit": "audit", "Odd Schema": "Odd Schema"})
	tenantSide = newNames(tenant, map[string]string{"tenant_x": "public", "tenant_x__audit": "audit", "tenant_x__Odd Schema": "Odd Schema"})
	for _, name := range []string{"orders", "mood", "Mixed Case", "<<<", "similarity"} {
		legacySide.add("public", name, false)
		tenantSide.add("tenant_x", name, false)
	}
	legacySide.add("audit", "log", false)
	tenantSide.add("tenant_x__audit", "log", false)
	for _, name := range []string{"citext", "=", "similarity"} {
		legacySide.add("public", name, true)
		tenantSide.add("ext", name, true)
	}
	legacySide.add("crypt", "digest", true)
	tenantSide.add("ext", "digest", true)
	return legacySide, tenantSide
}

func TestTextsThatMeanTheSameAreEqual(t *testing.T) {
	t.Parallel()
	legacySide, tenantSide := sides()
	for _, c := range []struct {
		form           form
		legacy, tenant string
	}{
		{sql, `public.orders`, `tenant_x.orders`},
		{sql, `nextval('public.orders'::regclass)`, `nextval('tenant_x.orders'::regclass)`},
		{sql, `'x'::public.citext OPERATOR(public.=) 'y'`, `'x'::ext.citext OPERATOR(ext.=) 'y'`},
		{sql, `a OPERATOR(public.<<<) 'ok'::public.mood`, `a OPERATOR(tenant_x.<<<) 'ok'::tenant_x.mood`},
		{sql, `"Odd Schema".t`, `"tenant_x__Odd Schema".t`},
		{sql, `crypt.digest(x)`, `ext.digest(x)`},
		{sql, `'public.orders'::text`, `'public.orders'::text`}, // a default that is data
		{sql, `(a <> 'public.orders'::text)`, `(a <> 'public.orders'::text)`},
		{body, `select 1 from "public"."orders" -- public.orders`, `select 1 from tenant_x."orders" -- public.orders`},
		{body, `PUBLIC . orders`, `tenant_x . orders`},
		{body, `execute 'select 1 from public.orders where a = ''b'''`, `execute 'select 1 from tenant_x.orders where a = ''b'''`},
		{body, `execute $q$ select * from public.orders $q$`, `execute $q$ select * from tenant_x.orders $q$`},
		{body, `execute E'select \'a\' from public.orders'`, `execute E'select \'a\' from tenant_x.orders'`},
		{body, `format('select 1 from public.%I', x)`, `format('select 1 from tenant_x.%I', x)`},
		{body, `where nspname = 'public'`, `where nspname = 'tenant_x'`},
		{body, `where visibility = 'public'`, `where visibility = 'public'`},
		{body, `from public.gone`, `from tenant_x.gone`},
		{body, `from public.gone`, `from public.gone`},
		{body, `'https://public.example.com'`, `'https://public.example.com'`},
		{body, `set local search_path to public, pg_temp`, `set local search_path to tenant_x, pg_temp, ext`},
		{body, `set_config('search_path', 'audit, public', true)`, `set_config('search_path', 'tenant_x__audit, tenant_x, ext', true)`},
		{body, `select audit.log from t audit`, `select audit.log from t audit`},
		{body, `x.public.orders my_public.orders republic.orders`, `x.public.orders my_public.orders republic.orders`},
		{body, `public.similarity(1)`, `tenant_x.similarity(1)`},
		{body, `public.similarity('a')`, `ext.similarity('a')`},
		{searchPath, `public`, `tenant_x, ext`},
		{searchPath, `audit, "public", pg_temp`, `tenant_x__audit, tenant_x, ext, pg_temp`},
		{searchPath, `"$user", public`, `tenant_x, ext`},
		{searchPath, `"Odd Schema"`, `"tenant_x__Odd Schema"`},
		{searchPath, `crypt`, `ext`},
		{searchPath, `""`, `""`},
	} {
		want := fact{form: c.form, value: legacySide.normalize(c.form, c.legacy)}
		got := fact{form: c.form, value: tenantSide.normalize(c.form, c.tenant)}
		require.True(t, same(want, got), "%s: %q is %q, %q is %q", c.form, c.legacy, want.value, c.tenant, got.value)
	}
}

func TestTextsThatMeanSomethingElseDiffer(t *testing.T) {
	t.Parallel()
	legacySide, tenantSide := sides()
	for _, c := range []struct {
		form           form
		legacy, tenant string
	}{
		{sql, `public.orders`, `public.orders`},
		{sql, `public.orders`, `neighbor.orders`},
		{sql, `public.orders`, `tenant_x__audit.orders`},
		{sql, `public.citext`, `tenant_x.citext`},
		{sql, `public.citext`, `public.citext`},
		{sql, `crypt.digest(x)`, `crypt.digest(x)`},
		{sql, `nextval(('public.orders'::text)::regclass)`, `nextval(('public.orders'::text)::regclass)`},
		{sql, `tsvector_update_trigger('tv', 'public.orders')`, `tsvector_update_trigger('tv', 'public.orders')`},
		{sql, `visibility = 'public'::text`, `visibility = 'tenant_x'::text`},
		{sql, `'public'::text`, `'tenant_x'::text`},
		{body, `from public.orders`, `from public.orders`},
		{body, `execute 'select 1 from public.orders'`, `execute 'select 1 from public.orders'`},
		{body, `execute $q$ select 'x' from public.orders $q$`, `execute $q$ select 'x' from public.orders $q$`},
		{body, `format('select 1 from public.%I', x)`, `format('select 1 from public.%I', x)`},
		{body, `from audit.log`, `from audit.log`},
		{body, `from audit.log`, `from tenant_x.log`},
		{body, `where a = 'x'`, `where a = 'y'`},
		{body, `set local search_path to public`, `set local search_path to public`},
		{body, `set local search_path to public`, `set local search_path to tenant_x__audit`},
		{searchPath, `public`, `public`},
		{searchPath, `public`, `tenant_x`}, // where the extensions are no longer found
		{searchPath, `public, audit`, `tenant_x__audit, tenant_x, ext`},
		{searchPath, `crypt`, `crypt`},
	} {
		want := fact{form: c.form, value: legacySide.normalize(c.form, c.legacy)}
		got := fact{form: c.form, value: tenantSide.normalize(c.form, c.tenant)}
		require.False(t, same(want, got), "%s: %q and %q are both %q", c.form, c.legacy, c.tenant, want.value)
	}
}

// FuzzTokens: whatever is read, nothing is lost, and reading ends.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{`select 'a''b', E'\'', $q$x$q$, "a""b" -- c`, `/* a /* b */`, `$$`, `'`, `"`, `$a`, `é.x`, `E'\`, `--`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		for _, token := range tokens(s) {
			require.NotEmpty(t, token.raw)
			b.WriteString(token.raw)
		}
		require.Equal(t, s, b.String())
	})
}
