package telemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"tenantctl/internal/telemetry/logs"
)

const tenantKey = logs.KeyTenant

type tenantContext struct{}

// WithTenant says in whose name goes on what has the context: its span, its lines, and what comes of it.
func WithTenant(ctx context.Context, name string) context.Context {
	Span{trace.SpanFromContext(ctx)}.Set(slog.String(tenantKey, name))
	return context.WithValue(ctx, tenantContext{}, name)
}

func tenantOf(ctx context.Context) string {
	name, _ := ctx.Value(tenantContext{}).(string)
	return name
}

// Handler adds to each line what its context knows: tenant, trace and span, unless the line says itself.
func Handler(next slog.Handler) slog.Handler { return handler{next: next} }

type handler struct {
	next slog.Handler
	said bool // the tenant, by With
}

// Enabled implements slog.Handler, as do the others.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, record slog.Record) error {
	traceID, spanID := IDs(ctx)
	name := tenantOf(ctx)
	if h.said || says(record) {
		name = ""
	}
	if traceID == "" && name == "" {
		return h.next.Handle(ctx, record)
	}
	record = record.Clone()
	if name != "" {
		record.AddAttrs(slog.String(tenantKey, name))
	}
	if traceID != "" {
		record.AddAttrs(slog.String(logs.KeyTrace, traceID), slog.String(logs.KeySpan, spanID))
	}
	return h.next.Handle(ctx, record)
}

// says tells whether a line names its tenant.
func says(record slog.Record) (said bool) {
	record.Attrs(func(a slog.Attr) bool {
		said = a.Key == tenantKey
		return !said
	})
	return said
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.said = h.said || a.Key == tenantKey
	}
	h.next = h.next.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler. What is added to a line belongs to the group, too: nobody here makes any.
func (h handler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}
