package call

import (
	"context"
	"net/http"
)

const (
	requestID      = "X-Request-Id"
	idempotencyKey = "Idempotency-Key"
)

// Caller is in whose name a service calls another.
type Caller struct {
	Authorization string // the header as it came
	RequestID     string
}

type callerKey struct{}

// With makes calls with the context go out in a caller's name.
func With(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// For makes calls with the context go out in the name of whoever sent a request.
func For(ctx context.Context, r *http.Request) context.Context {
	return With(ctx, Caller{Authorization: r.Header.Get("Authorization"), RequestID: r.Header.Get(requestID)})
}

func callerOf(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}

func (c Caller) set(header http.Header) {
	if c.Authorization != "" {
		header.Set("Authorization", c.Authorization)
	}
	if c.RequestID != "" {
		header.Set(requestID, c.RequestID)
	}
}
