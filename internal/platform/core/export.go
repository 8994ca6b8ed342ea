package core

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// ExportKind is the kind of job that writes all orders into a file.
const ExportKind = "orders-export"

// ordersPerPart is how many orders a part of the file has: some 100 kB.
const ordersPerPart = 1000

// exportColumns are the names in the file's first line.
var exportColumns = []string{"id", "customer_code", "status", "placed_at", "currency", "freight", "lines", "total"} //nolint:gochecknoglobals // a constant list

// exportSQL reads the next orders behind $1, with what order_totals says of them: tenants of older versions haven't that view.
const exportSQL = `select o.id::text, o.customer_code, o.status, to_char(o.placed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), o.currency, o.freight::text,
		count(i.line)::text, (coalesce(sum(i.quantity * i.unit_price * (1 - i.discount)), 0) + o.freight)::numeric(19, 4)::text
	from orders o left join order_items i on i.order_id = o.id where o.id > $1 group by o.id order by o.id limit $2`

// exported is how far an export is: its checkpoint, and its result in the end.
type exported struct {
	Rows  int   `json:"rows"`
	Parts int   `json:"parts"`
	Last  int64 `json:"last"` // the order that was written last
}

// export writes the file part by part, each with the checkpoint behind it: an attempt that follows goes on there.
func export(ctx context.Context, task *jobs.Task) error {
	var at exported
	if _, err := task.Resume(&at); err != nil {
		return err
	}
	for {
		var newest int64
		var orders [][]string
		err := task.Read(ctx, func(b *pgx.Batch) {
			b.Queue(`select coalesce(max(id), 0) from orders`).QueryRow(func(row pgx.Row) error { return row.Scan(&newest) })
			b.Queue(exportSQL, at.Last, ordersPerPart).Query(func(rows pgx.Rows) (err error) {
				orders, err = pgx.CollectRows(rows, textRow)
				return err
			})
		})
		if err != nil {
			return fmt.Errorf("read orders: %w", err)
		}
		if len(orders) == 0 && at.Parts > 0 {
			return task.Complete(ctx, func(context.Context, scope.Tx) (any, error) { return at, nil })
		}
		part, err := at.add(orders)
		if err != nil {
			return jobs.Permanent(err)
		}
		err = task.Checkpoint(ctx, at, float64(at.Last)/float64(max(newest, 1)), func(ctx context.Context, tx scope.Tx) error {
			return task.Write(ctx, tx, at.Parts, part)
		})
		if err != nil {
			return err
		}
	}
}

// textRow is a row of texts.
func textRow(row pgx.CollectableRow) ([]string, error) {
	values := make([]string, len(exportColumns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	return values, row.Scan(into...)
}

// add makes orders the file's next part. The first one has the names, also where there are no orders.
func (at *exported) add(orders [][]string) (part string, err error) {
	var text strings.Builder
	w := csv.NewWriter(&text)
	w.UseCRLF = true
	if at.Parts == 0 {
		orders = append([][]string{exportColumns}, orders...)
		at.Rows--
	}
	if err := w.WriteAll(orders); err != nil {
		return "", fmt.Errorf("write orders: %w", err)
	}
	at.Parts++
	at.Rows += len(orders)
	if last := orders[len(orders)-1][0]; last != exportColumns[0] {
		at.Last, err = strconv.ParseInt(last, 10, 64)
	}
	return text.String(), err
}

func askForExport(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	return accept(ctx, tx, jobs.Request{Kind: ExportKind})
}

// getExport streams the file, with one part in memory at a time.
func getExport(pools resource.Store) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		id, of := r.PathValue("key"), r.Identity.Tenant
		var job jobs.Job
		err := pools.Tx(r.Context(), of, func(ctx context.Context, tx scope.Tx) (err error) {
			job, err = jobs.Get(ctx, tx, Service, id)
			return err
		})
		if errors.Is(err, tenant.ErrNotFound) || err == nil && job.Kind != ExportKind {
			return service.Response{}, service.NotFound("export")
		}
		if err != nil {
			return service.Response{}, err
		}
		if job.State != jobs.Done {
			return service.Response{}, service.Refuse(http.StatusConflict, "not-done", "the export is %s: see /v1/jobs/%s", job.State, id)
		}
		var file exported
		if err := json.Unmarshal(job.Result, &file); err != nil {
			return service.Response{}, fmt.Errorf("the result of export %s: %w", id, err)
		}
		header := http.Header{"Content-Type": {"text/csv; charset=utf-8; header=present"}, "Content-Disposition": {`attachment; filename="orders.csv"`}}
		return service.Response{Header: header, Stream: func(w http.ResponseWriter) error { return writeParts(r.Context(), pools, of, id, file.Parts, w) }}, nil
	}
}

func writeParts(ctx context.Context, pools resource.Store, of scope.Tenant, id string, parts int, w io.Writer) error {
	for part := 1; part <= parts; part++ {
		var body string
		err := pools.Tx(ctx, of, func(ctx context.Context, tx scope.Tx) (err error) {
			body, err = jobs.Output(ctx, tx, id, part)
			return err
		})
		if err != nil && part > 1 {
			panic(http.ErrAbortHandler) // whoever has the beginning must see that it isn't all
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, body); err != nil {
			return fmt.Errorf("send part %d: %w", part, err)
		}
	}
	return nil
}
