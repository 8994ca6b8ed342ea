package core_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/stream"
	"tenantctl/test/fleet"
)

// withJobs is a fleet with a queue, and a worker that does core's.
func withJobs(t *testing.T, change ...func(*jobs.Options)) *api {
	t.Helper()
	own, err := core.Stream()
	require.NoError(t, err)
	queue, err := jobs.Stream()
	require.NoError(t, err)
	f := fleet.New(t, fleet.Options{Streams: []*stream.Stream{own, queue}})
	f.Provision(t, "acme", "beta")
	opts := jobs.Options{
		Queue: core.Service, Instance: fleet.Instance, Pools: f.Pools(t, scope.PoolOptions{Service: core.Service}), Tenants: f.Directory(t), Kinds: core.Kinds(),
		DSN: func(ctx context.Context) (string, error) {
			return f.Login(jobs.Service)(ctx, scope.Cell{Cell: "shared"})
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, c := range change {
		c(&opts)
	}
	w, err := jobs.NewWorker(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return serve(t, f, nil)
}

// A statement is a job: asked for, waited for and looked at; nobody else sees it.
func TestStatement(t *testing.T) {
	t.Parallel()
	a := withJobs(t)
	ann, ben := a.user(t, "acme", "1", "*"), a.user(t, "beta", "1", "*")
	require.Equal(t, http.StatusCreated, ann.do(t, "POST", "/v1/customers", `{"code":"c1","name":"one"}`).status)
	for _, invoice := range []string{
		`{"number":"1","customer_code":"c1","net":"100.10","tax":"19","status":"issued","issued_on":"2026-10-01","currency":"EUR"}`,
		`{"number":"2","customer_code":"c1","net":"0.20","tax":"0","status":"paid","issued_on":"2026-10-31","currency":"EUR"}`,
		`{"number":"3","customer_code":"c1","net":"7","status":"issued","issued_on":"2026-11-01","currency":"EUR"}`,
		`{"number":"4","customer_code":"c1","net":"9","status":"draft","issued_on":"2026-10-02","currency":"EUR"}`,
	} {
		require.Equal(t, http.StatusCreated, ann.do(t, "POST", "/v1/invoices", invoice).status, invoice)
	}
	asked := ann.do(t, "POST", "/v1/statements", `{"month":"2026-10"}`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, asked.status, asked.body)
	require.Equal(t, asked.body, ann.do(t, "POST", "/v1/statements", `{"month":"2026-10"}`, "Idempotency-Key", "k").body)
	at := asked.header.Get("Location")
	job := ann.becomes(t, at, "done")
	require.Equal(t, map[string]any{"month": "2026-10", "sums": []any{map[string]any{
		"currency": "EUR", "invoices": 2.0, "net": "100.3000", "tax": "19.0000", "paid": "0.2000",
	}}}, job["result"])
	require.Len(t, ann.do(t, "GET", "/v1/jobs", "").json(t)["items"], 1)
	require.Equal(t, "done", ann.do(t, "POST", at+"/cancel", "").json(t)["state"], "what has ended stays")

	require.Empty(t, ben.do(t, "GET", "/v1/jobs", "").json(t)["items"])
	require.Equal(t, http.StatusNotFound, ben.do(t, "GET", at, "").status)
	require.Equal(t, http.StatusNotFound, ben.do(t, "POST", at+"/cancel", "").status)
	require.Equal(t, http.StatusNotFound, ben.do(t, "GET", "/v1/jobs/x", "").status)
	require.Equal(t, http.StatusUnprocessableEntity, ann.do(t, "POST", "/v1/statements", `{"month":"2026-13"}`).status)
	require.Equal(t, http.StatusForbidden, a.user(t, "acme", "2", "jobs:read").do(t, "POST", "/v1/statements", `{"month":"2026-10"}`).status)
}

// becomes waits until a job has a state.
func (u user) becomes(t *testing.T, at, state string) (job map[string]any) {
	t.Helper()
	require.Eventually(t, func() bool { job = u.do(t, "GET", at, "").json(t); return job["state"] == state }, 60*time.Second, 20*time.Millisecond, "%v", job)
	return job
}

// Where no workers run nobody is promised work.
func TestWithoutWorkers(t *testing.T) {
	t.Parallel()
	own, err := core.Stream()
	require.NoError(t, err)
	f := fleet.New(t, fleet.Options{Streams: []*stream.Stream{own}})
	f.Provision(t, "acme")
	refused := serve(t, f, nil).user(t, "acme", "1", "*").do(t, "POST", "/v1/statements", `{"month":"2026-10"}`)
	require.Equal(t, http.StatusNotFound, refused.status)
	require.Contains(t, refused.body, "no-jobs")
}

// metricsOf are those of the fleet's workers, where it has a queue.
func metricsOf(f *fleet.Fleet) *jobs.Metrics {
	if !f.Has(jobs.Service) {
		return nil
	}
	return jobs.NewMetrics()
}
