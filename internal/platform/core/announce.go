package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// The events that core publishes, each when an order or invoice comes to have a state that it hadn't.
const (
	OrderPlaced    = "order.placed"
	OrderShipped   = "order.shipped"
	OrderCancelled = "order.cancelled"
	InvoiceIssued  = "invoice.issued"
	InvoicePaid    = "invoice.paid"
)

// EventVersion is the version of the events' payload, a Fact.
const EventVersion = 1

// Fact is what an event of core's says.
type Fact struct {
	ID       int64  `json:"id"`
	Number   string `json:"number,omitempty"` // an invoice's
	Customer string `json:"customer_code"`
	Status   string `json:"status"`
	Currency string `json:"currency"`
	Total    string `json:"total,omitempty"` // an order's
	Net      string `json:"net,omitempty"`   // an invoice's, as is tax
	Tax      string `json:"tax,omitempty"`
	Actor    string `json:"actor"` // the user who did it
}

// announcements are the events by table and state.
func announcements(table string) map[string]string {
	switch table {
	case "orders":
		return map[string]string{"open": OrderPlaced, "shipped": OrderShipped, "cancelled": OrderCancelled} //nolint:misspell // the schema spells it so
	case "invoices":
		return map[string]string{"issued": InvoiceIssued, "paid": InvoicePaid}
	}
	return nil
}

// announced publishes what a write makes known, in the write's transaction.
func announced(of *resource.Resource, do idempotency.Do) idempotency.Do {
	events := announcements(of.Table)
	if events == nil {
		return do
	}
	return func(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
		before, err := statusOf(ctx, tx, of.Table, r.PathValue("key"))
		if err != nil {
			return service.Response{}, err
		}
		answer, err := do(ctx, r, tx)
		if err != nil {
			return answer, err
		}
		fact, err := factOf(answer)
		if err != nil {
			return answer, err
		}
		fact.Actor = r.Identity.Subject
		kind, told := events[fact.Status]
		if !told || fact.Status == before {
			return answer, nil
		}
		_, err = bus.Publish(ctx, tx, bus.Event{Type: kind, Version: EventVersion, Payload: fact})
		return answer, err
	}
}

// statusOf locks a row and tells the state it is in; "" where it isn't there.
func statusOf(ctx context.Context, tx scope.Tx, table, key string) (status string, err error) {
	if key == "" {
		return "", nil
	}
	err = tx.QueryRow(ctx, `select status from `+table+` where id = $1::bigint for update`, key).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return status, err
}

func factOf(answer service.Response) (fact Fact, err error) {
	body, err := json.Marshal(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &fact)
	}
	if err != nil {
		return fact, fmt.Errorf("tell of what was written: %w", err)
	}
	return fact, nil
}
