package operator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

// flaky is a sink that is away at first, and then takes few events at a time, if limited.
type flaky struct {
	mu    sync.Mutex
	away  int
	limit int
	types []string
}

func (f *flaky) Name() string { return "flaky" }

func (f *flaky) Send(_ context.Context, events []tenant.Event) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away > 0 {
		f.away--
		return 0, errors.New("away")
	}
	for i, e := range events {
		if f.limit > 0 && i == f.limit {
			return i, errors.New("enough for now")
		}
		f.types = append(f.types, e.Type)
	}
	return len(events), nil
}

// A sink that fails in the middle of many events goes on from there: it gets on, and none comes twice.
func TestASinkThatFailsInTheMiddleGetsOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	opts, sink := b.options(&shop{}), &flaky{away: 1, limit: 3}
	opts.Sinks = []Sink{sink}
	b.run(opts)
	b.eventually("provisioned", func() bool { return b.told("tenant.provisioned") })
	want := []string{}
	for i := range 9 {
		want = append(want, fmt.Sprintf("tenant.test_%d", i))
		require.NoError(t, b.Records.Publish(t.Context(), tenant.Event{Type: want[i], Tenant: "a", Message: "x"}))
	}
	b.eventually("all of them", func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.types) > 0 && sink.types[len(sink.types)-1] == want[len(want)-1]
	})
	require.Equal(t, want, sink.types[len(sink.types)-len(want):])
}

// A sink that is away gets what happened meanwhile, in order, and its trouble is to be seen.
func TestASinkThatIsAwayMissesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	opts, sink := b.options(&shop{}), &flaky{away: 2}
	opts.Sinks = []Sink{sink}
	o, _ := b.run(opts)
	b.stands("a=active")
	b.eventually("trouble", func() bool {
		sinks, err := o.Store.Sinks(t.Context())
		return err == nil && len(sinks) == 1 && sinks[0].Trouble == "away"
	})
	b.eventually("provisioned", func() bool { return b.told("tenant.provisioned") })
	require.NoError(t, b.Records.Publish(t.Context(), tenant.Event{Type: "tenant.proven", Tenant: "a", Message: "x"}))
	b.eventually("all of them", func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.types) > 0 && sink.types[len(sink.types)-1] == "tenant.proven"
	})
	require.Contains(t, sink.types, "tenant.provisioned")
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	secret, body := []byte("secret"), []byte(`{"id":"1"}`)
	signature := Sign(secret, now, body)
	require.Equal(t, "t=1700000000,v1=", signature[:16])
	for name, test := range map[string]struct {
		signature string
		body      string
		now       time.Time
		right     bool
	}{
		"right":        {signature, string(body), now.Add(time.Minute), true},
		"another body": {signature, `{"id":"2"}`, now, false},
		"late":         {signature, string(body), now.Add(6 * time.Minute), false},
		"other secret": {Sign([]byte("other"), now, body), string(body), now, false},
		"later time":   {"t=1700000100" + signature[12:], string(body), now, false},
		"none":         {"", string(body), now, false},
	} {
		require.Equal(t, test.right, Verify(secret, test.signature, []byte(test.body), test.now, 5*time.Minute), name)
	}
}
