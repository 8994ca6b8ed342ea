package stream_test

import (
	"testing"

	"github.com/golang-migrate/migrate/v4"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/provision"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// A schema that golang-migrate made is adopted where it stands; Apply goes on from there, and golang-migrate finds nothing that is
// left to do.
func TestGolangMigratesSchemaIsAdoptedAndContinued(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", interopScripts())
	m := golangMigrate(t, b, interopScripts())
	require.NoError(t, m.Steps(2))
	b.exec(t, `insert into tenant_a.customers values (7, 'Zoë')`)
	p, err := provision.Open(b.ctx, provision.Options{
		Instance: "one", DSN: b.dsn, RolePrefix: localtest.Prefix(t), Control: "test", Streams: []*stream.Stream{s}, CredentialsDir: t.TempDir(),
	})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	spec := tenant.Spec{Name: "a", Instance: "one", Schema: "tenant_a", State: tenant.Active, Services: []string{"core"}}
	_, err = p.Adopt(b.ctx, spec, nil)
	require.NoError(t, err)
	version, dirty, err := m.Version()
	require.NoError(t, err)
	require.Equal(t, uint(2), version)
	require.False(t, dirty)
	hands, err := p.Hands(spec, "core")
	require.NoError(t, err)
	target := stream.Target{Schema: "tenant_a", Role: hands.Role, Path: hands.Path, Grants: hands.Grants, Record: true}
	result, err := stream.Apply(b.ctx, b.conn, target, s, 12)
	require.NoError(t, err)
	require.Equal(t, []uint64{10, 11, 12}, result.Applied)
	require.ErrorIs(t, m.Up(), migrate.ErrNoChange)
	plans, err := p.Plan(b.ctx, spec)
	require.NoError(t, err)
	require.Empty(t, plans[0].Steps)
	require.Equal(t, "2", b.text(t, `select count(*)::text from tenant_a.customers`))
}
