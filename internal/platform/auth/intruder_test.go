package auth_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatTheDatabaseStops goes in as a service's login, as whoever has taken over that service could. The last case is what roles
// don't stop, as docs/security.md says: should it be refused one day, that page has to be changed.
func TestWhatTheDatabaseStops(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	const denied = "42501"
	for name, sql := range map[string]string{
		"without a role":               `select * from tenant_a.users`,
		"another service's table":      `set local role TENANT_a__users; select * from tenant_a.credentials`,
		"another service's role":       `set local role TENANT_a__auth`,
		"another service's version":    `set local role TENANT_a__users; update tenant_a.schema_migrations_users set version = 1`,
		"another tenant by its schema": `set local role TENANT_a__users; select * from tenant_b.users`,
		"writing to another tenant":    `set local role TENANT_a__users; update tenant_b.users set active = false`,
		"making a table":               `set local role TENANT_a__users; create table tenant_a.mine (id int)`,
		"making a table in public":     `set local role TENANT_a__users; create table public.mine (id int)`,
		"dropping one":                 `set local role TENANT_a__users; drop table tenant_a.users`,
		"emptying one":                 `set local role TENANT_a__users; truncate tenant_a.users cascade`,
		"a trigger":                    `set local role TENANT_a__users; alter table tenant_a.users disable trigger all`,
		"the owner of its tables":      `set local role PREFIX_tenantctl_owner__users`,
		"a role that reads everything": `set local role pg_read_all_data`,
		"a program":                    `copy (select 1) to program 'true'`,
		"a file":                       `select pg_read_file('/etc/passwd')`,
		"passwords of roles":           `select * from pg_authid`,
		"control's records":            `select * from tenantctl.tenant`,
		"a role of its own":            `create role mallory`,
	} {
		require.Equal(t, denied, b.As(t, "users", "a", sql), name)
	}
	require.Empty(t, b.As(t, "users", "a", `set local role TENANT_a__users; select * from tenant_a.users`), "its own")
	require.Empty(t, b.As(t, "users", "a", `set local role TENANT_a__users; reset role; set local role TENANT_b__users; select * from tenant_b.users`),
		"a neighbor of the same cell, by the same service")
}
