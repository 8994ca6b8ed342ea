package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

type tracerKey struct{}

// WithTracer has every session that is opened under the context tell the tracer of its statements, wherever in the program it is
// opened.
func WithTracer(ctx context.Context, tracer pgx.QueryTracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, tracer)
}

// tracerOf is the context's tracer; nil where it has none.
func tracerOf(ctx context.Context) pgx.QueryTracer {
	tracer, _ := ctx.Value(tracerKey{}).(pgx.QueryTracer)
	return tracer
}
