package bench_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

const (
	tracedTenants  = 20
	tracedRequests = 4_000 // a turn
	// tracedBar is how many times as long requests may take when every trace is recorded and sent.
	tracedBar = 1.1
)

// BenchmarkTracing is the time of requests through gateway and core to PostgreSQL and back when every trace is recorded and sent to a
// collector (which here takes what it gets and looks at nothing), against the same without one: ids are made, handed on and logged on both
// sides.
func BenchmarkTracing(b *testing.B) {
	for b.Loop() {
		var taken atomic.Int64
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body) // what is cut off is cut off
			taken.Add(n)
		}))
		p := newProduct(setup(b))
		declared := "platform: { logs: \"-\" }\nservices: { users: {}, auth: {}, core: {} }\ntenants:\n"
		for i := range tracedTenants {
			declared += fmt.Sprintf("  t%d: { limits: { requestsPerSecond: 1000000 } }\n", i)
		}
		target, drop := p.fresh()
		p.env = append(p.env, "SHARED_1_DSN="+target)
		p.file("tenants.yaml", fmt.Sprintf("version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\n", localtest.PrefixOn(b, p.target))+declared)
		p.tenantctl("", target, "provision", "--all")
		off, _, endOff := p.serveAll()
		p.env = append(p.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
		on, _, endOn := p.serveAll()
		tokens := p.tokens(tracedTenants)
		requests := scaled(b, tracedRequests)
		took := map[string][]time.Duration{}
		sides := []struct{ name, url string }{{"off", off}, {"on", on}}
		for _, side := range sides {
			p.request(side.url, tokens, len(tokens)) // pools and caches are warm
		}
		for range rounds(b) {
			for _, side := range sides {
				took[side.name] = append(took[side.name], p.request(side.url, tokens, requests))
			}
			slices.Reverse(sides)
		}
		endOn()
		endOff()
		collector.Close()
		require.NotZero(b, taken.Load(), "no spans came")
		fmt.Printf("\n  tracing: on %v, off %v for %d requests; %d kB of spans\n", took["on"], took["off"], requests, taken.Load()/1000)
		announce(b, "tracing/off", median(took["on"]).Seconds()/median(took["off"]).Seconds(), tracedBar)
		drop()
	}
}
