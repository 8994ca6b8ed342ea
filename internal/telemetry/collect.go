package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"tenantctl/internal/tenant"
)

// Options say where spans go.
type Options struct {
	// Endpoint is the collector's address, such as http://collector:4318: spans go to /v1/traces there, by OTLP over HTTP. Empty:
	// there is no collector. Headers and certificates are taken from the variables that OpenTelemetry names for them.
	Endpoint string
	Ratio    float64 // the share of traces that is recorded, from 0 to 1
	Build    string
	Log      *slog.Logger // hears of a collector that takes no spans
}

// Collected is what sends a process's spans. A nil one sends none.
type Collected struct {
	opts      Options
	processor sdk.SpanProcessor
	mutex     sync.Mutex
	providers []*sdk.TracerProvider
}

// queued is how many spans wait for the collector at most; further ones are lost, and no request waits for them.
const queued = 8192

// Open makes what sends spans; nil without a collector. It doesn't connect.
func Open(ctx context.Context, opts Options) (*Collected, error) {
	if opts.Endpoint == "" {
		return nil, nil
	}
	at, err := url.Parse(opts.Endpoint)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, tenant.WithHint(fmt.Errorf("the collector's address isn't valid: %w", tenant.ErrInvalid), "it looks like http://collector:4318 (OTLP over HTTP)")
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at.JoinPath("v1", "traces").String()))
	if err != nil {
		return nil, fmt.Errorf("send spans: %w", err)
	}
	return &Collected{opts: opts, processor: sdk.NewBatchSpanProcessor(teller{exporter, opts.Log}, sdk.WithMaxQueueSize(queued))}, nil
}

// teller tells the log of spans that can't be sent, instead of the standard library's log.
type teller struct {
	sdk.SpanExporter
	log *slog.Logger
}

// ExportSpans implements sdk.SpanExporter.
func (t teller) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := t.SpanExporter.ExportSpans(ctx, spans); err != nil && t.log != nil {
		t.log.WarnContext(ctx, "the collector takes no spans", "lost", len(spans), "error", err)
	}
	return nil
}

// Tracer makes spans of a service. Which are recorded the service above has said; where there is none, the ratio.
func (c *Collected) Tracer(service string) *Tracer {
	if c == nil {
		return nil
	}
	return c.tracer(service, sdk.ParentBased(sdk.TraceIDRatioBased(c.opts.Ratio)))
}

// Edge is Tracer for a service that the public reaches: which traces are recorded isn't for a client to say.
func (c *Collected) Edge(service string) *Tracer {
	if c == nil {
		return nil
	}
	ratio := sdk.TraceIDRatioBased(c.opts.Ratio)
	return c.tracer(service, sdk.ParentBased(ratio, sdk.WithRemoteParentSampled(ratio), sdk.WithRemoteParentNotSampled(ratio)))
}

func (c *Collected) tracer(service string, sampler sdk.Sampler) *Tracer {
	provider := sdk.NewTracerProvider(sdk.WithSampler(sampler), sdk.WithSpanProcessor(c.processor), sdk.WithResource(resource.NewSchemaless(
		attribute.String("service.name", service), attribute.String("service.namespace", scopeName), attribute.String("service.version", c.opts.Build))))
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.providers = append(c.providers, provider)
	return &Tracer{provider.Tracer(scopeName)}
}

// Close sends what waits.
func (c *Collected) Close(ctx context.Context) error {
	if c == nil {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	errs := []error{c.processor.Shutdown(ctx)}
	for _, p := range c.providers {
		errs = append(errs, p.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
