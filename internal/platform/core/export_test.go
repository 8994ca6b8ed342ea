package core_test

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/jobs"
)

// orders makes a tenant's orders behind the service's back.
func (a *api) orders(t *testing.T, schema string, n int) {
	t.Helper()
	a.Exec(t, `set search_path = `+schema+`; insert into customers (code, name) values ('a "quoted", code', 'X'); insert into products (name, price) values ('Tea', 2);
		insert into orders (customer_code, placed_at, freight) select 'a "quoted", code', '2026-01-02 03:04:05+01', 0.5 from generate_series(1, `+strconv.Itoa(n)+`);
		insert into order_items (order_id, line, product_id, quantity, unit_price) select id, 1, 1, id, 2 from orders where id <= 3; reset search_path`)
}

// An export has each order once, in order and whole, though its worker's sessions are cut again and again.
func TestExport(t *testing.T) {
	t.Parallel()
	a := withJobs(t, func(o *jobs.Options) { o.Pause, o.Attempts = 20*time.Millisecond, 1000 })
	const n = 4500
	a.orders(t, "tenant_acme", n)
	ann, ben := a.user(t, "acme", "1", "orders:read", "jobs:*"), a.user(t, "beta", "1", "*")
	asked := ann.want(t, http.StatusAccepted, "POST", "/v1/exports", "")
	at := asked.header.Get("Location")
	file := "/v1/exports/" + strings.TrimPrefix(at, "/v1/jobs/")
	for {
		job := ann.do(t, "GET", at, "")
		if job.status != http.StatusOK { // this session was cut, too
			continue
		}
		if job.json(t)["state"] == "done" {
			break
		}
		require.NotEqual(t, "failed", job.json(t)["state"], job.body)
		a.Exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where usename like 'PREFIX_%core%' and query like '%jobs.output%' and random() < 0.5`)
	}
	t.Logf("in %s attempts", a.Text(t, `select attempt::text from jobs.job`))
	got := ann.want(t, http.StatusOK, "GET", file, "")
	require.Equal(t, "text/csv; charset=utf-8; header=present", got.header.Get("Content-Type"))
	rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, n+1)
	require.Equal(t, []string{"id", "customer_code", "status", "placed_at", "currency", "freight", "lines", "total"}, rows[0])
	require.Equal(t, []string{"3", `a "quoted", code`, "open", "2026-01-02T02:04:05Z", "EUR", "0.5000", "1", "6.5000"}, rows[3])
	for i, row := range rows[1:] {
		require.Equal(t, strconv.Itoa(i+1), row[0])
	}
	require.Equal(t, map[string]any{"rows": float64(n), "parts": 5.0, "last": float64(n)}, ann.becomes(t, at, "done")["result"])

	ben.problem(t, 404, "not-found", "GET", file, "")
	a.user(t, "acme", "2", "jobs:*").problem(t, 403, "forbidden", "GET", file, "")
	a.Exec(t, `update jobs.job set finished_at = now() - interval '8 days'`)
	require.Eventually(t, func() bool { return a.Text(t, `select count(*)::text from jobs.output`) == "0" }, 30*time.Second, 20*time.Millisecond, "it goes with its job")
	ann.problem(t, 404, "not-found", "GET", file, "")

	empty := ben.want(t, http.StatusAccepted, "POST", "/v1/exports", "").header.Get("Location")
	ben.becomes(t, empty, "done")
	require.Equal(t, "id,customer_code,status,placed_at,currency,freight,lines,total\r\n", ben.want(t, http.StatusOK, "GET", "/v1/exports/"+strings.TrimPrefix(empty, "/v1/jobs/"), "").body)
}

// What waits for its day can't be fetched, ends when it is canceled, and is done when it is asked for once more.
func TestRetry(t *testing.T) {
	t.Parallel()
	a := withJobs(t)
	u := a.user(t, "acme", "1", "*")
	a.Exec(t, `insert into jobs.job (id, queue, role, kind, cost, state, due_at) values ('00000000-0000-4000-8000-000000000001', 'core', 'PREFIX_t_acme__core', 'orders-export', 1, 'scheduled', now() + interval '1 day')`)
	const at = "/v1/jobs/00000000-0000-4000-8000-000000000001"
	u.problem(t, 409, "not-done", "GET", "/v1/exports/00000000-0000-4000-8000-000000000001", "")
	require.Equal(t, "scheduled", u.want(t, 200, "POST", at+"/retry", "").json(t)["state"], "it hasn't ended")
	require.Equal(t, "canceled", u.want(t, 200, "POST", at+"/cancel", "").json(t)["state"])
	require.Equal(t, "ready", u.want(t, 200, "POST", at+"/retry", "").json(t)["state"])
	u.becomes(t, at, "done")
	a.user(t, "beta", "1", "*").problem(t, 404, "not-found", "POST", at+"/retry", "")
}

// Schedules are set, paused, changed and removed over HTTP; what they ask for is done.
func TestSchedules(t *testing.T) {
	t.Parallel()
	a := withJobs(t)
	ann, ben := a.user(t, "acme", "1", "*"), a.user(t, "beta", "1", "*")
	const at = "/v1/schedules/monthly"
	set := ann.want(t, 200, "PUT", at, `{"kind":"statement","spec":"0 3 1 * *","zone":"Europe/Berlin","paused":true}`).json(t)
	require.Equal(t, "monthly", set["name"])
	require.Equal(t, true, set["paused"])
	a.Exec(t, `update jobs.schedule set next_at = '2026-01-01 02:00Z'`)
	a.Exec(t, `insert into jobs.schedule (role, queue, name, kind, cost, spec, zone, next_at) values ('PREFIX_t_beta__core', 'core', 'other', 'orders-export', 1, '0 0 1 1 *', '', now())`)
	require.Eventually(t, func() bool { return len(ben.do(t, "GET", "/v1/jobs", "").json(t)["items"].([]any)) == 1 }, 30*time.Second, 20*time.Millisecond)
	require.Empty(t, ann.want(t, 200, "GET", "/v1/jobs", "").json(t)["items"], "the one that is paused was due before")

	next, err := time.Parse(time.RFC3339, ann.want(t, 200, "PUT", at, `{"kind":"statement","spec":"0 3 1 * *","zone":"Europe/Berlin"}`).json(t)["next_at"].(string))
	require.NoError(t, err)
	require.True(t, next.After(time.Now()), "what it missed stays missed")
	a.Exec(t, `update jobs.schedule set next_at = now() where name = 'monthly'`)
	require.Eventually(t, func() bool {
		items := ann.want(t, 200, "GET", "/v1/jobs", "").json(t)["items"].([]any)
		return len(items) == 1 && items[0].(map[string]any)["state"] == "done"
	}, 30*time.Second, 20*time.Millisecond)
	job := ann.want(t, 200, "GET", "/v1/jobs", "").json(t)["items"].([]any)[0].(map[string]any)
	require.Equal(t, a.Text(t, `select to_char(now() at time zone 'UTC' - interval '1 month', 'YYYY-MM')`), job["result"].(map[string]any)["month"])

	for _, body := range []string{`{"kind":"statement","spec":"0 0 31 2 *"}`, `{"kind":"statement","spec":"x"}`, `{"kind":"statement","spec":"* * * * *","zone":"Nowhere"}`, `{"kind":"other","spec":"* * * * *"}`} {
		ann.problem(t, 422, "invalid", "PUT", at, body)
	}
	a.user(t, "acme", "2", "jobs:*").problem(t, 403, "forbidden", "PUT", at, `{"kind":"`+core.ExportKind+`","spec":"* * * * *"}`)
	require.Len(t, ann.want(t, 200, "GET", "/v1/schedules", "").json(t)["items"], 1)
	ben.problem(t, 404, "not-found", "GET", at, "")
	ben.problem(t, 404, "not-found", "DELETE", at, "")
	ann.want(t, 204, "DELETE", at, "")
	ann.problem(t, 404, "not-found", "GET", at, "")
}
