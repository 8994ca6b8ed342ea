package operator

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/telemetry"
	"tenantctl/test/collector"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// about are the lines of a trace.
func (l *lines) about(t *testing.T, trace string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		var said map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &said))
		if said["trace"] == trace {
			found = append(found, said)
		}
	}
	return found
}

// Each piece of work is a trace with its tenant, and what the log says of it bears its id.
func TestWorkIsTraced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spans := collector.Start(t)
	log := &lines{}
	opts := b.options(&shop{})
	opts.Log = slog.New(telemetry.Handler(slog.NewJSONHandler(log, nil)))
	collected, err := telemetry.Open(t.Context(), telemetry.Options{Endpoint: spans.URL, Ratio: 1, Log: opts.Log})
	require.NoError(t, err)
	opts.Trace = collected.Tracer("operator")
	b.declare("  a: {}\n")
	_, stop := b.run(opts)
	b.stands("a=active")
	b.declare("  a: { state: suspended }\n")
	b.stands("a=suspended")
	b.declare("  a: { limits: { jobs: 3 } }\n")
	b.stands("a=active")
	stop()
	require.NoError(t, collected.Close(t.Context()))
	byName := map[string][]collector.Span{}
	for _, s := range spans.Spans() {
		require.Equal(t, "operator", s.Service)
		byName[s.Name] = append(byName[s.Name], s)
	}
	one := byName["reconcile tenant"]
	require.GreaterOrEqual(t, len(one), 3, "%v", byName)
	require.NotEqual(t, one[0].Trace, one[1].Trace)
	for _, s := range one {
		require.Empty(t, s.Above)
		require.Equal(t, "a", s.Attributes["tenant"])
		require.Equal(t, "settled", s.Attributes["tenantctl.result"])
		said := log.about(t, s.Trace)
		require.Len(t, said, 1)
		require.Equal(t, "a", said[0]["tenant"])
		require.Equal(t, "as declared", said[0]["msg"])
	}
}
