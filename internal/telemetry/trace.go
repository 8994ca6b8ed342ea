package telemetry

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Kind is what a span is to those on the other side of it.
type Kind int

// The kinds, as OpenTelemetry names them.
const (
	Internal = Kind(trace.SpanKindInternal)
	Server   = Kind(trace.SpanKindServer)
	Client   = Kind(trace.SpanKindClient)
	Producer = Kind(trace.SpanKindProducer)
	Consumer = Kind(trace.SpanKindConsumer)
)

// Tracer makes the spans of one service. Without a collector there is none: nil, whose spans are ids and nothing else.
type Tracer struct{ tracer trace.Tracer }

// Span is a piece of work. It must be ended.
type Span struct{ span trace.Span }

const scopeName = "tenantctl"

// Start begins a span below what the context has: a span of this process, or what FromHeader or FromParent found. Attributes have
// the names of OpenTelemetry's conventions; the tenant's is added.
func (t *Tracer) Start(ctx context.Context, kind Kind, name string, attributes ...slog.Attr) (context.Context, Span) {
	if t == nil {
		return named(ctx)
	}
	return start(ctx, t.tracer, kind, name, attributes)
}

// Start begins a span of the service whose span the context has.
func Start(ctx context.Context, kind Kind, name string, attributes ...slog.Attr) (context.Context, Span) {
	provider, recorded := trace.SpanFromContext(ctx).TracerProvider().(*sdk.TracerProvider)
	if !recorded {
		return named(ctx)
	}
	return start(ctx, provider.Tracer(scopeName), kind, name, attributes)
}

func start(ctx context.Context, tracer trace.Tracer, kind Kind, name string, attributes []slog.Attr) (context.Context, Span) {
	ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKind(kind)))
	s := Span{span}
	if who := tenantOf(ctx); who != "" && span.IsRecording() {
		attributes = append([]slog.Attr{slog.String(tenantKey, who)}, attributes...) // the caller's list is shared
	}
	s.Set(attributes...)
	return ctx, s
}

// named is a span that nobody collects. Whether others do is theirs to know: the flags are handed on.
func named(ctx context.Context) (context.Context, Span) {
	above := trace.SpanContextFromContext(ctx)
	made := trace.SpanContextConfig{TraceID: above.TraceID(), TraceFlags: above.TraceFlags(), TraceState: above.TraceState()}
	for !made.TraceID.IsValid() {
		binary.BigEndian.PutUint64(made.TraceID[:8], rand.Uint64()) //nolint:gosec // names things, hides nothing
		binary.BigEndian.PutUint64(made.TraceID[8:], rand.Uint64()) //nolint:gosec // the same
	}
	for !made.SpanID.IsValid() {
		binary.BigEndian.PutUint64(made.SpanID[:], rand.Uint64()) //nolint:gosec // the same
	}
	ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(made))
	return ctx, Span{trace.SpanFromContext(ctx)}
}

// Set adds attributes.
func (s Span) Set(attributes ...slog.Attr) {
	if !s.span.IsRecording() {
		return
	}
	list := make([]attribute.KeyValue, len(attributes))
	for i, a := range attributes {
		list[i] = attributeOf(a)
	}
	s.span.SetAttributes(list...) // each call takes the span's lock
}

func attributeOf(a slog.Attr) attribute.KeyValue {
	switch a.Value.Kind() {
	case slog.KindInt64:
		return attribute.Int64(a.Key, a.Value.Int64())
	case slog.KindFloat64:
		return attribute.Float64(a.Key, a.Value.Float64())
	case slog.KindBool:
		return attribute.Bool(a.Key, a.Value.Bool())
	default:
		return attribute.String(a.Key, a.Value.String())
	}
}

// Rename gives a span the name that is known only now.
func (s Span) Rename(name string) { s.span.SetName(name) }

// Fail marks the span as failed. What is said goes to whoever reads traces: no error's text, which may quote a customer's data.
func (s Span) Fail(kind string) {
	s.span.SetStatus(codes.Error, kind)
	s.Set(slog.String("error.type", kind))
}

// End ends the span.
func (s Span) End() { s.span.End() }

// IDs are a context's trace and span; empty where it has none.
func IDs(ctx context.Context) (traceID, spanID string) {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() {
		return "", ""
	}
	return at.TraceID().String(), at.SpanID().String()
}

const parentHeader = "traceparent"

// Parent is what a row or a message keeps of the context's span: W3C traceparent; empty where it has none.
func Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[parentHeader]
}

// FromParent puts spans of the context below what Parent gave. What isn't one of those leaves the context as it is.
func FromParent(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{parentHeader: parent})
}

// FromHeader puts spans of the context below the sender's of a request.
func FromHeader(ctx context.Context, header http.Header) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
}

// ToHeader tells the receiver of a request of the context's span.
func ToHeader(ctx context.Context, header http.Header) {
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
}
