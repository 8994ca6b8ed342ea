package config

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	l := Layers{
		Flag: func(name string) (string, bool) { return "json", name == OptionOutput },
		Env:  env("TENANTCTL_OUTPUT", "yaml", "TENANTCTL_LOG_LEVEL", "debug", "TENANTCTL_NO_INPUT", "1", "TENANTCTL_PROGRESS", ""),
	}
	require.Equal(t, Setting{Path: "output", Value: "json", Origin: "flag --output"}, l.Option(OptionOutput))
	require.Equal(t, Setting{Path: "log-level", Value: "debug", Origin: "env TENANTCTL_LOG_LEVEL"}, l.Option(OptionLogLevel))
	require.Equal(t, Setting{Path: "progress", Value: "auto", Origin: "default"}, l.Option(OptionProgress), "an empty variable counts as not set")
	require.Equal(t, Setting{}, l.Option("unheard-of"))
	on, err := l.Option(OptionNoInput).Bool()
	require.NoError(t, err)
	require.True(t, on)
	_, err = Layers{Env: env("TENANTCTL_YES", "perhaps")}.Option(OptionYes).Bool()
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.ErrorContains(t, err, `TENANTCTL_YES: expected true or false, got "perhaps"`)
}

func TestEffectiveSaysWhereEachValueCameFrom(t *testing.T) {
	t.Parallel()
	f := everything(t)
	settings, err := Effective(f, Layers{Env: env("TENANTCTL_FILE", f.Name())})
	require.NoError(t, err)
	at := func(line string) string { return filepath.Join("testdata", "good", "everything.yaml") + ":" + line }
	by := map[string]Setting{}
	for _, s := range settings {
		require.NotContains(t, by, s.Path)
		by[s.Path] = s
	}
	for _, want := range []Setting{
		{"file", f.Name(), "env TENANTCTL_FILE"},
		{"output", "table", "default"},
		{"control.dsn", "${TENANTCTL_CONTROL_DSN}", at("2")},
		{"instances.shared-1.dsn", "${SHARED_1_DSN}", at("4")},
		{"instances.shared-2.dsnFile", filepath.Join("testdata", "good", "secrets", "shared-2.dsn"), at("6")},
		{"instances.shared-1.tenantsPerCell", "100", at("4")},
		{"instances.shared-2.tenantsPerCell", "500", "default"},
		{"broker.url", "${AMQP_URL}", at("9")},
		{"services.core.version", "12", at("13")},
		{"platform.redis.url", "redis://core:${REDIS_PASSWORD}@redis:6379/0", at("45")},
		{"platform.proxies", "10.0.0.0/8, fd00::/8", at("46")},
		{"platform.limits.heldFor", "1m", at("47")},
		{"services.auth.version", "newest", "default"},
		{"rollout.rings[1].waves", "10%, 50%, 100%", at("22")},
		{"tenants.client-x.ring", "canary", at("27")},
		{"tenants.client-y.ring", "general", at("17")},
		{"tenants.client-z.schema", "Legacy Z", at("35")},
		{"tenants.client-y.schema", "tenant_client_y", at("16")},
		{"tenants.client-z.limits.jobs", "1", at("38")},
		{"tenants.client-y.limits.jobs", "4", at("18")},
		{"tenants.client-z.services", "", at("37")},
		{"tenants.client-y.legacy.mapping", "none: lift", "default"},
		{"tenants.client-x.move.window", "Sat 02:00-05:00 Europe/Berlin", at("31")},
		{"tenants.007.legacy.dsn", "host=db user=app password=${PW_007} dbname=x", at("39")},
	} {
		require.Equal(t, want, by[want.Path])
	}
}

func TestControlFromTheEnvironmentComesFirst(t *testing.T) {
	t.Parallel()
	l := Layers{Env: env("TENANTCTL_CONTROL_DSN", "postgres://admin:hunter2@elsewhere/control")}
	f := everything(t)
	require.Equal(t, "${TENANTCTL_CONTROL_DSN}", f.Control().DSN.String())
	dsn, err := f.With(l).Control().DSN.Resolve(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "postgres://admin:hunter2@elsewhere/control", dsn)
	settings, err := Effective(f, l)
	require.NoError(t, err)
	require.Contains(t, settings, Setting{"control.dsn", "postgres://admin:***@elsewhere/control", "env TENANTCTL_CONTROL_DSN"})
	for _, s := range settings {
		require.NotContains(t, s.Value, "hunter2")
	}
}

func TestEffectiveWithoutFile(t *testing.T) {
	t.Parallel()
	settings, err := Effective(nil, Layers{})
	require.NoError(t, err)
	require.Contains(t, settings, Setting{"file", "./tenants.yaml", "default"})
	settings, err = Effective(parse(t, "version: 1\n"), Layers{})
	require.NoError(t, err)
	require.Contains(t, settings, Setting{"control.dsn", "instance local", "default"})
	require.Contains(t, settings, Setting{"instances.local.dsn", "private PostgreSQL of the local stack", "default"})
}
