package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Event is what a service tells others. It names no tenant: that is the transaction's in which it is published.
type Event struct {
	Type    string // as "order.placed"
	Version int    // of the payload's form, from 1
	Payload any    // becomes JSON, at most 256 kB
	Due     time.Time
}

// Message is an event as it reaches a consumer.
type Message struct {
	ID          string      `json:"id"`
	Tenant      tenant.Name `json:"tenant"`
	Source      string      `json:"source"` // the service that published it
	Type        string      `json:"type"`
	Version     int         `json:"version"`
	Occurred    time.Time   `json:"occurred"`
	Traceparent string      `json:"traceparent,omitempty"`
	// Attempt counts from 1.
	Attempt int             `json:"attempt"`
	Payload json.RawMessage `json:"payload"`
}

// Decode reads the payload. One that isn't of the form expected never will be: the error is Permanent.
func (m Message) Decode(into any) error {
	if err := json.Unmarshal(m.Payload, into); err != nil {
		return Permanent(fmt.Errorf("payload of %s %s: %w", m.Type, m.ID, err))
	}
	return nil
}

// Publish writes an event into the outbox in the tenant's transaction, and returns its id. It is on its way once, and only if, the
// transaction is committed. With Due it isn't sent before that moment. What handles it belongs to the context's trace.
func Publish(ctx context.Context, tx scope.Tx, e Event) (id string, err error) {
	payload, err := json.Marshal(e.Payload)
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", e.Type, err)
	}
	id = newID()
	ctx, span := telemetry.Start(ctx, telemetry.Producer, "create "+e.Type, messaging("create", "outbox", e.Type, id)...)
	defer span.End()
	var due *time.Time
	if !e.Due.IsZero() {
		due = &e.Due
	}
	_, err = tx.Exec(ctx, `insert into bus.outbox (id, type, version, traceparent, payload, due_at) values ($1, $2, $3, nullif($4, ''), $5, $6)`,
		id, e.Type, e.Version, telemetry.Parent(ctx), string(payload), due)
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", e.Type, err)
	}
	return id, nil
}

// messaging are the attributes of a span about an event.
func messaging(operation, destination, kind, id string) []slog.Attr {
	return []slog.Attr{
		slog.String("messaging.system", "rabbitmq"), slog.String("messaging.operation.type", operation), slog.String("messaging.operation.name", operation),
		slog.String("messaging.destination.name", destination), slog.String("messaging.rabbitmq.destination.routing_key", kind), slog.String("messaging.message.id", id),
	}
}

// newID is a random UUID (version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
