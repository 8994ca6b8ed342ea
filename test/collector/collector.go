// Package collector takes spans as an OpenTelemetry collector does (OTLP over HTTP, protobuf), for tests to look at.
package collector

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one as it was received.
type Span struct {
	Service          string
	Name, Kind       string
	Trace, ID, Above string // Above is the parent's id; empty where there is none
	Attributes       map[string]string
	Began            time.Time
}

// Collector is one. It ends with its test.
type Collector struct {
	URL string

	mutex sync.Mutex
	spans []Span
	fault error
}

// Start starts one.
func Start(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			c.mutex.Lock()
			c.fault = err
			c.mutex.Unlock()
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, c.fault)
	})
	c.URL = server.URL
	return c
}

func (c *Collector) take(r *http.Request) error {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return fmt.Errorf("%s %s of %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return err
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var request coltrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(text, &request); err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, of := range request.ResourceSpans {
		service := attributes(of.Resource.Attributes)["service.name"]
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, Span{
					Service: service, Name: s.Name, Kind: s.Kind.String(), Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId),
					Above: hex.EncodeToString(s.ParentSpanId), Attributes: attributes(s.Attributes), Began: time.Unix(0, int64(s.StartTimeUnixNano)),
				})
			}
		}
	}
	return nil
}

func attributes(list []*common.KeyValue) map[string]string {
	found := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			found[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			found[a.Key] = fmt.Sprint(v.IntValue)
		default:
			found[a.Key] = fmt.Sprint(v)
		}
	}
	return found
}

// Spans are those received so far, by when they began.
func (c *Collector) Spans() []Span {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	found := slices.Clone(c.spans)
	slices.SortStableFunc(found, func(a, b Span) int { return a.Began.Compare(b.Began) })
	return found
}

// Trace are the spans of one trace.
func (c *Collector) Trace(id string) []Span {
	return slices.DeleteFunc(c.Spans(), func(s Span) bool { return s.Trace != id })
}
