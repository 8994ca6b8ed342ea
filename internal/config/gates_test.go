package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGatesWithoutAny(t *testing.T) {
	t.Parallel()
	byDefault := Gates{Attempts: 3, Interval: 10 * time.Second, Database: &DatabaseGate{
		LockWaiters: 5, WaitedLongerThan: time.Second, ReplicationLag: 30 * time.Second, ReplicationBytes: 1 << 30,
		SlotWAL: 10 << 30, OldestTransaction: 10 * time.Minute, Samples: 3,
	}, Services: &ServicesGate{
		MinSamples: 100, MaxRatio: 1.5, ErrorIncrease: 0.01, LatencyIncrease: 100 * time.Millisecond, Quiet: QuietPass, Timeout: 3 * time.Second,
	}}
	require.Equal(t, byDefault, parse(t, "version: 1\n").Rollout().Gates)
	require.Equal(t, byDefault, parse(t, "version: 1\nrollout: { gates: { database: } }\n").Rollout().Gates)
	require.Nil(t, parse(t, "version: 1\nrollout: { gates: { services: { off: true } } }\n").Rollout().Gates.Services)
	require.Nil(t, parse(t, "version: 1\nrollout: { gates: { database: { off: true } } }\n").Rollout().Gates.Database)
	require.NotNil(t, parse(t, "version: 1\nrollout: { gates: { database: { off: false } } }\n").Rollout().Gates.Database)
}

func TestGates(t *testing.T) {
	t.Parallel()
	f, err := Load(filepath.Join("testdata", "good", "gates.yaml"))
	require.NoError(t, err)
	require.Equal(t, Budget{Failures: 3, Percent: 5, Consecutive: 4}, f.Rollout().Budget)
	g := f.Rollout().Gates
	require.Equal(t, 5, g.Attempts)
	require.Equal(t, 30*time.Second, g.Interval)
	require.Equal(t, &DatabaseGate{
		LockWaiters: 0, WaitedLongerThan: 2 * time.Second, ReplicationLag: time.Minute, ReplicationBytes: 512 << 20,
		SlotWAL: 2 << 40, OldestTransaction: time.Hour, InvalidIndexes: 3, Samples: 5,
	}, g.Database)
	require.Equal(t, &ServicesGate{
		MinSamples: 20, MaxRatio: 2, ErrorIncrease: 0, LatencyIncrease: 50 * time.Millisecond, Quiet: QuietPause, Timeout: time.Second,
	}, g.Services)
	require.Len(t, g.Metrics, 3)

	errors := g.Metrics[0]
	require.Contains(t, errors.Query, `code=~"5.."`)
	require.Contains(t, errors.Samples, `http_requests_total{service="{service}"}[{window}]`)
	require.Equal(t, []any{100, 1.5, 0.01, 10 * time.Second, (*float64)(nil), ""},
		[]any{errors.MinSamples, errors.MaxRatio, errors.MaxIncrease, errors.Timeout, errors.Max, errors.Service})
	latency := g.Metrics[1]
	require.Contains(t, latency.Query, "histogram_quantile(0.99")
	require.Equal(t, []any{0, 0.1, 2.0}, []any{latency.MinSamples, latency.MaxIncrease, *latency.Max})
	require.Equal(t, "Authorization", latency.Headers[0].Name)
	conflicts := g.Metrics[2]
	require.Equal(t, []any{"core", 2.0, 0.5, 5 * time.Second}, []any{conflicts.Service, conflicts.MaxRatio, conflicts.MaxIncrease, conflicts.Timeout})

	require.Equal(t, []any{"smoke", 2 * time.Minute, "X-Team"}, []any{g.HTTP[0].Name, g.HTTP[0].Timeout, g.HTTP[0].Headers[0].Name})
	require.Equal(t, 30*time.Second, g.HTTP[1].Timeout)
}

func TestSecretsOfGates(t *testing.T) {
	t.Parallel()
	f, err := Load(filepath.Join("testdata", "good", "gates.yaml"))
	require.NoError(t, err)
	g := f.Rollout().Gates
	vars := env("PROMETHEUS_TOKEN", "a=b 'c'", "SMOKE_TOKEN", "a/b&c", "PROMETHEUS_PASSWORD", "p@w")
	for _, c := range []struct {
		secret Secret
		want   string
	}{
		{g.Metrics[0].Prometheus, "http://prometheus:9090"},
		{g.Metrics[1].Headers[0].Value, "Bearer a=b 'c'"},
		{g.Metrics[1].Headers[1].Value, "fleet"},
		{g.Metrics[2].Prometheus, "https://reader:p%40w@prometheus.example/p/"},
		{g.HTTP[0].URL, "https://smoke.example/run?token=a%2Fb%26c"},
	} {
		value, err := c.secret.Resolve(vars, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, value)
	}
	_, err = g.HTTP[1].URL.Resolve(vars, nil)
	require.ErrorContains(t, err, "rollout.gates.http[1].url: the variable OFF_DUTY_URL isn't set")

	settings, err := Effective(f, Layers{Env: env()})
	require.NoError(t, err)
	by := map[string]string{}
	for _, s := range settings {
		require.NotContains(t, by, s.Path)
		by[s.Path] = s.Value
	}
	for name, want := range map[string]string{
		"rollout.budget.consecutive":                     "4",
		"rollout.gates.attempts":                         "5",
		"rollout.gates.database.slotWAL":                 "2TB",
		"rollout.gates.database.replicationBytes":        "512MB",
		"rollout.gates.services.quiet":                   "pause",
		"rollout.gates.services.latencyIncrease":         "50ms",
		"rollout.gates.metrics[1].headers.Authorization": "Bearer ${PROMETHEUS_TOKEN}",
		"rollout.gates.metrics[1].max":                   "2",
		"rollout.gates.metrics[2].maxIncrease":           "0.5",
		"rollout.gates.http[0].url":                      "https://smoke.example/run?token=${SMOKE_TOKEN}",
		"rollout.gates.http[1].timeout":                  "30s",
	} {
		require.Equal(t, want, by[name], name)
	}
	off, err := Effective(parse(t, "version: 1\nrollout: { gates: { database: { off: true } } }\n"), Layers{Env: env()})
	require.NoError(t, err)
	require.Contains(t, off, Setting{Path: "rollout.gates.database.off", Value: "true", Origin: filepath.Join("fleet", "tenants.yaml") + ":2"})
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, bytes := range map[string]int64{"1kB": 1 << 10, "512MB": 512 << 20, "10GB": 10 << 30, "3TB": 3 << 40, "1536MB": 1536 << 20} {
		var s Size
		require.NoError(t, s.parse(text, spot{}))
		require.EqualValues(t, bytes, s)
		require.Equal(t, text, s.String())
	}
	require.Equal(t, "1TB", Size(1<<40).String())
	require.Equal(t, "0B", Size(0).String())
	for _, text := range []string{"10", "10 GB", "0MB", "1gb", "1.5GB", "9999999GB", "-1MB"} {
		var s Size
		require.EqualError(t, s.parse(text, spot{}), `expected a size with its unit, such as 512MB or 10GB, got "`+text+`"`)
	}
}
