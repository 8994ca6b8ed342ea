package config

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func parse(t *testing.T, content string) *File {
	t.Helper()
	f, err := Parse("fleet/tenants.yaml", []byte(content))
	require.NoError(t, err)
	return f
}

func everything(t *testing.T) *File {
	t.Helper()
	f, err := Load(filepath.Join("testdata", "good", "everything.yaml"))
	require.NoError(t, err)
	return f
}

func TestTenantSpecs(t *testing.T) {
	t.Parallel()
	f := everything(t)
	require.Equal(t, []tenant.Name{"007", "client-x", "client-y", "client-z"}, f.Tenants())
	common := tenant.Limits{StatementTimeout: 30 * time.Second, RequestsPerSecond: 200, Jobs: 4, Weight: 1}
	one := common
	one.Jobs = 1
	for _, want := range []tenant.Spec{
		{
			Name: "client-x", Instance: "shared-1", Schema: "tenant_client_x", Ring: "canary", State: tenant.Active,
			Services: []string{"auth", "core"}, Limits: common, Mapping: filepath.Join("testdata", "good", "mappings", "client-x.yaml"), Legacy: true,
		},
		{
			Name: "client-y", Instance: "shared-2", Schema: "tenant_client_y", Ring: "general", State: tenant.Active,
			Limits: common, Legacy: true, Upstream: "http://client-y-app:8080",
		},
		{Name: "client-z", Instance: "shared-2", Schema: "Legacy Z", Ring: "general", State: tenant.Suspended, Limits: one},
		{Name: "007", Instance: "shared-1", Schema: "tenant_007", Ring: "general", State: tenant.Active, Limits: common, Legacy: true},
	} {
		got, err := f.Tenant(want.Name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestTenantGetsTheStreamsOfScopeTenant(t *testing.T) {
	t.Parallel()
	f := parse(t, "version: 1\nservices: { bus: {}, auth: {}, outbox: { scope: instance }, core: {} }\n"+
		"tenants: { a: {}, b: { legacy: { dsn: '${B}' } }, c: { legacy: { dsn: '${C}', mapping: c.yaml } }, d: { legacy: { dsn: '${D}' }, services: [core] } }\n")
	for name, want := range map[tenant.Name][]string{"a": {"auth", "core"}, "b": nil, "c": {"auth", "core"}, "d": {"core"}} {
		spec, err := f.Tenant(name)
		require.NoError(t, err)
		require.Equal(t, want, spec.Services, name)
	}
}

func TestUnknownTenantAndInstance(t *testing.T) {
	t.Parallel()
	f := everything(t)
	_, err := f.Tenant("client-w")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.ErrorContains(t, err, `did you mean "client-x"?`)
	require.NotEmpty(t, tenant.Hints(err))
	_, err = f.LegacyDSN("client-w")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	_, err = f.LegacyDSN("client-z")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.Equal(t, []string{"declare it: tenants.client-z.legacy.dsn: ${CLIENT_Z_DSN}"}, tenant.Hints(err))
	_, err = f.Instance("shared-9")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	_, err = f.Instance(LocalInstance)
	require.ErrorIs(t, err, tenant.ErrNotFound, "there are instances, so the local stack isn't one")
}

func TestInstancesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	f := parse(t, "version: 1\ninstances: { zebra: { dsn: '${Z}' }, ant: { dsnFile: secrets/ant } }\n")
	all := f.Instances()
	require.Equal(t, "zebra", all[0].Name)
	require.Equal(t, 500, all[0].TenantsPerCell)
	require.Equal(t, filepath.Join("fleet", ".tenantctl", "credentials", "zebra"), all[0].CredentialsDir)
	require.Equal(t, "ant", all[1].Name)
	require.Equal(t, "file "+filepath.Join("fleet", "secrets", "ant"), all[1].DSN.String())
	require.Equal(t, Control{DSN: all[0].DSN, Instance: "zebra"}, f.Control())

	second, err := everything(t).Instance("shared-2")
	require.NoError(t, err)
	require.Equal(t, "two_", second.RolePrefix)
	require.Equal(t, "/var/lib/tenantctl/shared-2", second.CredentialsDir)
	require.Equal(t, "/var/lib/tenantctl/keys", everything(t).KeysDir())
	require.Equal(t, filepath.Join("fleet", ".tenantctl", "keys"), f.KeysDir())
}

func TestWithoutInstancesTheLocalStackIsOne(t *testing.T) {
	t.Parallel()
	f := parse(t, "version: 1\ntenants: { a: {}, b: { instance: local } }\n")
	require.Len(t, f.Instances(), 1)
	in, err := f.Instance(LocalInstance)
	require.NoError(t, err)
	require.True(t, in.Local)
	require.True(t, in.DSN.IsZero())
	require.Equal(t, Control{Instance: LocalInstance, Local: true}, f.Control())
	for _, name := range f.Tenants() {
		spec, err := f.Tenant(name)
		require.NoError(t, err)
		require.Equal(t, LocalInstance, spec.Instance)
	}
	_, given := f.Broker()
	require.False(t, given)
	require.Empty(t, f.Streams())
}

func TestStreamsAndBroker(t *testing.T) {
	t.Parallel()
	f := everything(t)
	require.Equal(t, []Stream{
		{Name: "auth", Builtin: true, Scope: ScopeTenant},
		{Name: "outbox", Builtin: true, Scope: ScopeInstance},
		{Name: "core", Builtin: true, Pin: 12, Scope: ScopeTenant},
		{Name: "billing", Dir: filepath.Join("testdata", "good", "migrations", "billing"), URL: "http://billing:8080", Scope: ScopeTenant},
	}, f.Streams())
	url, given := f.Broker()
	require.True(t, given)
	require.Equal(t, "${AMQP_URL}", url.String())
	url, given = parse(t, "version: 1\nbroker: { urlFile: amqp.url }\n").Broker()
	require.True(t, given)
	require.Equal(t, "file "+filepath.Join("fleet", "amqp.url"), url.String())
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	good := filepath.Join("testdata", "good")
	p := everything(t).Platform()
	require.Equal(t, "redis://core:${REDIS_PASSWORD}@redis:6379/0", p.Redis.String())
	require.Equal(t, 0.25, *p.Traced)
	p.Redis, p.Traced = Secret{}, nil
	require.Equal(t, Platform{
		Domain: "example.com", Cert: filepath.Join(good, "tls", "cert.pem"), Key: "/etc/tls/key.pem", CA: filepath.Join(good, "tls", "ca.pem"),
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		Limits:  PlatformLimits{Connections: 16, ConnectionsPerTenant: 4, RequestsAtOnce: 64, StreamsAtOnce: 100, HeldWrites: 500, HeldFor: time.Minute},
		Logs:    filepath.Join(good, "logs"), Collector: "http://collector:4318",
	}, p)
	require.Equal(t, Platform{Domain: "localhost"}, parse(t, "version: 1\n").Platform())
	p = parse(t, "version: 1\nplatform: { redis: { urlFile: redis.url } }\n").Platform()
	require.Equal(t, "file "+filepath.Join("fleet", "redis.url"), p.Redis.String())
}

func TestRollout(t *testing.T) {
	t.Parallel()
	require.Equal(t, Rollout{
		Rings: []Ring{
			{Name: "canary", Parallel: 1, Waves: []Percent{100}, Bake: 2 * time.Minute},
			{Name: "general", Parallel: 8, Waves: []Percent{10, 50, 100}, Bake: time.Minute},
		},
		Budget: Budget{Failures: 3, Percent: 5},
		Gates:  parse(t, "version: 1\n").Rollout().Gates,
	}, everything(t).Rollout())
	require.Equal(t, Rollout{
		Rings:  []Ring{{Name: "general", Parallel: 8, Waves: []Percent{100}}},
		Budget: Budget{Failures: 3, Percent: 5},
		Gates:  everything(t).Rollout().Gates,
	}, parse(t, "version: 1\n").Rollout())
	require.Equal(t, Budget{Failures: 0, Percent: 100}, parse(t, "version: 1\nrollout: { budget: { failures: 0 } }\n").Rollout().Budget)
	require.Equal(t, Budget{Failures: math.MaxInt32, Percent: 2}, parse(t, "version: 1\nrollout: { budget: { percent: 2 } }\n").Rollout().Budget)
}

func TestMove(t *testing.T) {
	t.Parallel()
	f := everything(t)
	moved, moves := f.Move("client-x")
	require.True(t, moves)
	require.Equal(t, "auto", moved.Mode)
	require.Equal(t, "verify", moved.Until)
	require.Equal(t, "Sat 02:00-05:00 Europe/Berlin", moved.Window.String())
	moved, moves = f.Move("007")
	require.True(t, moves)
	require.Equal(t, Move{Mode: "auto", Until: "complete"}, moved)
	_, moves = f.Move("client-y")
	require.False(t, moves)
	require.Equal(t, "http://client-x.example", f.LegacyURL("client-x"))
	require.Empty(t, f.LegacyURL("client-z"))
}

func TestAliasesAndMerges(t *testing.T) {
	t.Parallel()
	f, err := Load(filepath.Join("testdata", "good", "anchors.yaml"))
	require.NoError(t, err)
	spec, err := f.Tenant("client-x")
	require.NoError(t, err)
	require.Equal(t, 1, spec.Limits.Jobs)
	require.Equal(t, tenant.Suspended, spec.State)
	spec, err = f.Tenant("client-y")
	require.NoError(t, err)
	require.Equal(t, 2, spec.Limits.Jobs, "a key of its own is stronger than a merged one")
}

func TestCheckFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "tenants.yaml")
	content := "version: 1\nservices:\n  billing: { migrations: billing }\ntenants:\n  a: { legacy: { dsn: '${A}', mapping: a.yaml } }\n"
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	f, err := Load(name)
	require.NoError(t, err)
	var problems Problems
	require.ErrorAs(t, f.CheckFiles(), &problems)
	require.Equal(t, name+":3:26: services.billing.migrations: there is no folder "+filepath.Join(dir, "billing")+"\n"+
		name+":5:40: tenants.a.legacy.mapping: there is no file "+filepath.Join(dir, "a.yaml")+
		"; draft one with `tenantctl inspect a --write-mapping`", problems.Error())
	require.NoError(t, os.Mkdir(filepath.Join(dir, "billing"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yaml"), nil, 0o600))
	require.NoError(t, f.CheckFiles())
}
