package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
	"tenantctl/test/collector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clicked = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traceID = "0af7651916cd43dd8448eb211c80319c"
)

func open(t *testing.T, opts telemetry.Options) *telemetry.Collected {
	t.Helper()
	collected, err := telemetry.Open(t.Context(), opts)
	require.NoError(t, err)
	return collected
}

func TestSpansReachTheCollectorWithWhoseTheyAre(t *testing.T) {
	t.Parallel()
	to := collector.Start(t)
	collected := open(t, telemetry.Options{Endpoint: to.URL, Ratio: 1, Build: "v1"})

	header := http.Header{"Traceparent": {clicked}}
	ctx, asked := collected.Tracer("core").Start(telemetry.FromHeader(t.Context(), header), telemetry.Server, "POST /v1/orders", slog.Int("http.response.status_code", 201))
	ctx = telemetry.WithTenant(ctx, "client-x")
	inner, created := telemetry.Start(ctx, telemetry.Producer, "create order.placed")
	kept := telemetry.Parent(inner)
	created.End()
	asked.Fail("500")
	asked.End()
	_, handled := collected.Tracer("notifications").Start(telemetry.FromParent(t.Context(), kept), telemetry.Consumer, "process order.placed")
	handled.End()
	require.NoError(t, collected.Close(t.Context()))

	spans := to.Trace(traceID)
	require.Len(t, spans, 3)
	require.Equal(t, to.Spans(), spans)
	request, event, handling := spans[0], spans[1], spans[2]
	require.Equal(t, []string{"core", "core", "notifications"}, []string{request.Service, event.Service, handling.Service})
	require.Equal(t, []string{"SPAN_KIND_SERVER", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"}, []string{request.Kind, event.Kind, handling.Kind})
	require.Equal(t, []string{"b7ad6b7169203331", request.ID, event.ID}, []string{request.Above, event.Above, handling.Above})
	require.Equal(t, map[string]string{"http.response.status_code": "201", "tenant": "client-x", "error.type": "500"}, request.Attributes)
	require.Equal(t, map[string]string{"tenant": "client-x"}, event.Attributes)
}

// Which traces are recorded isn't for a client to say, but for the first service that is ours.
func TestTheEdgeDecidesWhatIsRecorded(t *testing.T) {
	t.Parallel()
	to := collector.Start(t)
	none := open(t, telemetry.Options{Endpoint: to.URL})
	ctx, span := none.Edge("gateway").Start(telemetry.FromParent(t.Context(), clicked), telemetry.Server, "GET")
	span.End()
	require.Regexp(t, "^00-"+traceID+"-[0-9a-f]{16}-00$", telemetry.Parent(ctx))
	_, span = none.Tracer("core").Start(ctx, telemetry.Server, "GET /v1/orders")
	span.End()
	require.NoError(t, none.Close(t.Context()))
	require.Empty(t, to.Spans())

	all := open(t, telemetry.Options{Endpoint: to.URL, Ratio: 1})
	_, span = all.Edge("gateway").Start(telemetry.FromParent(t.Context(), clicked[:53]+"00"), telemetry.Server, "GET")
	span.End()
	_, span = all.Tracer("core").Start(telemetry.FromParent(t.Context(), clicked[:53]+"00"), telemetry.Server, "GET /v1/orders") // as the gateway said
	span.End()
	require.NoError(t, all.Close(t.Context()))
	require.Len(t, to.Spans(), 1)
	require.Equal(t, "gateway", to.Spans()[0].Service)
}

func TestIDsAreMadeAndHandedOnWithoutACollector(t *testing.T) {
	t.Parallel()
	collected := open(t, telemetry.Options{})
	require.Nil(t, collected)
	ctx, span := collected.Tracer("core").Start(telemetry.FromParent(t.Context(), clicked), telemetry.Server, "GET /")
	span.Set(slog.String("a", "b"))
	span.End()
	got, first := telemetry.IDs(ctx)
	require.Equal(t, traceID, got)
	require.NotEqual(t, "b7ad6b7169203331", first)
	require.Equal(t, "00-"+traceID+"-"+first+"-01", telemetry.Parent(ctx)) // whether others record it stays as it was
	below, _ := telemetry.Start(ctx, telemetry.Client, "GET")
	got, second := telemetry.IDs(below)
	require.Equal(t, traceID, got)
	require.NotEqual(t, first, second)

	for _, wrong := range []string{"", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01", clicked + "-and-more"} {
		ctx, _ := collected.Edge("gateway").Start(telemetry.FromParent(t.Context(), wrong), telemetry.Server, "GET /")
		made, _ := telemetry.IDs(ctx)
		require.Regexp(t, "^[0-9a-f]{32}$", made)
		require.NotEqual(t, traceID, made)
	}
	require.Empty(t, telemetry.Parent(t.Context()))
	require.NoError(t, collected.Close(t.Context()))
}

func TestACollectorThatIsAwayIsTold(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) }))
	defer away.Close()
	var said bytes.Buffer
	collected := open(t, telemetry.Options{Endpoint: away.URL, Ratio: 1, Log: slog.New(slog.NewJSONHandler(&said, nil))})
	_, span := collected.Tracer("core").Start(t.Context(), telemetry.Server, "GET /")
	span.End()
	require.NoError(t, collected.Close(t.Context()))
	require.Contains(t, said.String(), "the collector takes no spans")
	for _, address := range []string{"collector:4317", "grpc://x:1", "http://"} {
		_, err := telemetry.Open(t.Context(), telemetry.Options{Endpoint: address})
		require.ErrorIs(t, err, tenant.ErrInvalid)
	}
}

func TestLinesSayWhoseTheyAre(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	log := slog.New(telemetry.Handler(slog.NewJSONHandler(&said, nil))).With("service", "core")
	ctx := telemetry.FromParent(telemetry.WithTenant(t.Context(), "a"), clicked)
	for name, c := range map[string]struct {
		log    *slog.Logger
		ctx    context.Context //nolint:containedctx // a case's
		attrs  []any
		tenant any
		trace  any
	}{
		"all":          {log, ctx, nil, "a", traceID},
		"nothing":      {log, t.Context(), nil, nil, nil},
		"says itself":  {log, ctx, []any{"tenant", "b"}, "b", traceID},
		"was given it": {log.With("tenant", "c"), ctx, nil, "c", traceID},
	} {
		said.Reset()
		c.log.InfoContext(c.ctx, name, c.attrs...)
		var line map[string]any
		require.NoError(t, json.Unmarshal(said.Bytes(), &line), said.String())
		require.Equal(t, []any{"core", c.tenant, c.trace}, []any{line["service"], line["tenant"], line["trace"]}, name)
		require.Equal(t, 1, bytes.Count(said.Bytes(), []byte(`"tenant"`))+btoi(c.tenant == nil), said.String())
		if c.trace != nil {
			require.Equal(t, "b7ad6b7169203331", line["span"])
		}
	}
}

func btoi(is bool) int {
	if is {
		return 1
	}
	return 0
}
