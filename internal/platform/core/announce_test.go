package core_test

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/stream"
	"tenantctl/test/fleet"
)

// An event is published where something came to be so, once, and with the write or not at all.
func TestWritesAreAnnounced(t *testing.T) {
	t.Parallel()
	own, err := bus.Stream()
	require.NoError(t, err)
	tables, err := core.Stream()
	require.NoError(t, err)
	f := fleet.New(t, fleet.Options{Streams: []*stream.Stream{tables, own}})
	f.Provision(t, "a")
	u := serve(t, f, nil).user(t, "a", "7", "*")
	told := func() (kinds []string, last core.Fact) {
		rows, err := f.Root.Query(t.Context(), `select type, payload::text from bus.outbox order by seq`)
		require.NoError(t, err)
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Type, Payload string }])
		require.NoError(t, err)
		for _, row := range list {
			kinds, last = append(kinds, row.Type), core.Fact{}
			require.NoError(t, json.Unmarshal([]byte(row.Payload), &last))
		}
		return kinds, last
	}
	u.want(t, 201, "POST", "/v1/customers", `{"code": "c", "name": "Anna"}`)
	u.want(t, 201, "POST", "/v1/products", `{"name": "Tea", "price": "12.5"}`)
	draft := u.want(t, 201, "POST", "/v1/orders", `{"customer_code": "c", "status": "draft"}`).header.Get("Location")
	kinds, _ := told()
	require.Empty(t, kinds, "a draft is nobody's business")
	u.want(t, 200, "PATCH", draft, `{"status": "open", "items": [{"product_id": 1, "quantity": "2"}]}`)
	u.want(t, 200, "PATCH", draft, `{"note": "still open"}`)
	kinds, fact := told()
	require.Equal(t, []string{core.OrderPlaced}, kinds)
	require.Equal(t, core.Fact{ID: 1, Customer: "c", Status: "open", Currency: "EUR", Total: "25.0000", Actor: "7"}, fact)
	u.want(t, 200, "PATCH", draft, `{"status": "shipped"}`)
	for range 2 {
		u.want(t, 201, "POST", "/v1/orders", `{"customer_code": "c"}`, "Idempotency-Key", "same")
	}
	u.problem(t, 409, "conflict", "POST", "/v1/orders", `{"customer_code": "nobody"}`)
	invoice := u.want(t, 201, "POST", "/v1/invoices", `{"number": "R1", "customer_code": "c", "status": "issued", "issued_on": "2026-01-02", "net": "9"}`).header.Get("Location")
	u.want(t, 200, "PATCH", invoice, `{"status": "paid", "paid_at": "2026-01-03T00:00:00Z"}`)
	kinds, fact = told()
	require.Equal(t, []string{core.OrderPlaced, core.OrderShipped, core.OrderPlaced, core.InvoiceIssued, core.InvoicePaid}, kinds)
	require.Equal(t, "R1", fact.Number)
	require.Equal(t, "9.0000", fact.Net)
	u.problem(t, 404, "not-found", "PATCH", "/v1/orders/4711", `{"status": "shipped"}`)
	require.Equal(t, f.Prefix+"t_a__core", f.Text(t, `select distinct role from bus.outbox`))
}
