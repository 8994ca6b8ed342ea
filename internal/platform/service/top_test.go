package service

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// However many tenants there are, the series are few, nothing is lost, and none of them falls.
func TestFewSeriesForManyTenants(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	b := newBusiest("core")
	b.now = func() time.Time { return now }
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b)
	before := map[string]float64{}
	sent := 0.0
	gather := func() map[string]float64 {
		now = now.Add(rankEvery)
		families, err := registry.Gather()
		require.NoError(t, err)
		found := map[string]float64{}
		for _, family := range families {
			if family.GetName() != "http_tenant_requests_total" {
				continue
			}
			for _, m := range family.Metric {
				found[m.Label[1].GetValue()] = m.Counter.GetValue()
			}
		}
		require.LessOrEqual(t, len(found), mostNamed+1)
		for tenant, value := range found {
			require.GreaterOrEqual(t, value, before[tenant], tenant)
			before[tenant] = value
		}
		total := 0.0
		for _, value := range before {
			total += value
		}
		require.Equal(t, sent, total)
		return found
	}
	for i := range 500 {
		b.count(fmt.Sprintf("t%d", i), i%2 == 0, time.Millisecond)
		sent++
	}
	require.NotContains(t, gather(), "t499")
	for range 50 {
		b.count("t499", false, time.Millisecond)
		sent++
	}
	gather()
	require.Equal(t, 0.0, gather()["t499"])
	b.count("t499", false, time.Millisecond)
	sent++
	require.Equal(t, 1.0, gather()["t499"], "from when it was among the busiest")
	for round := range 10 { // another one takes its place, and it comes back
		for i := range 2 * mostNamed {
			b.count(fmt.Sprintf("u%d", i), false, time.Millisecond)
			sent++
		}
		if round > 7 {
			b.count("t499", false, time.Millisecond)
			sent++
		}
		gather()
	}
}
