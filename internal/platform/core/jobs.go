package core

import (
	"context"
	"errors"
	"net/http"

	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// longWork are the operations that ask for jobs and look at them.
func longWork(opts Options, writes idempotency.Writes) map[string]service.Handler {
	all := map[string]service.Handler{
		"createStatement": writes.Handler(askForStatement),
		"listJobs":        listJobs(opts.Pools),
		"getJob":          oneJob(opts.Pools, jobs.Get),
		"cancelJob":       oneJob(opts.Pools, jobs.Cancel),
		"retryJob":        oneJob(opts.Pools, jobs.Retry),
		"createExport":    writes.Handler(askForExport),
		"getExport":       getExport(opts.Pools),
		"listSchedules":   listSchedules(opts.Pools),
		"getSchedule":     getSchedule(opts.Pools),
		"setSchedule":     setSchedule(opts.Pools),
		"deleteSchedule":  deleteSchedule(opts.Pools),
	}
	if opts.Jobs == nil {
		for id := range all {
			all[id] = service.Refused(http.StatusNotFound, "no-jobs", "this platform runs no jobs")
		}
	}
	return all
}

func askForStatement(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var of statementOf
	if err := r.Decode(&of); err != nil {
		return service.Response{}, err
	}
	return accept(ctx, tx, jobs.Request{Kind: StatementKind, Arguments: of})
}

// accept asks for a job of core's and answers with it.
func accept(ctx context.Context, tx scope.Tx, job jobs.Request) (service.Response, error) {
	job.Queue = Service
	id, err := jobs.Submit(ctx, tx, job)
	if err != nil {
		return service.Response{}, err
	}
	asked, err := jobs.Get(ctx, tx, Service, id)
	return service.Response{Status: http.StatusAccepted, Header: http.Header{"Location": {"/v1/jobs/" + id}}, Body: asked}, err
}

func listJobs(pools resource.Store) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		return service.List(r, func(limit int, after *string) (list []jobs.Job, err error) {
			before := ""
			if after != nil {
				before = *after
			}
			err = pools.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
				list, err = jobs.List(ctx, tx, Service, before, limit)
				return err
			})
			return list, err
		}, func(job jobs.Job) string { return job.ID })
	}
}

// oneJob answers with a job, as get gives it.
func oneJob(pools resource.Store, get func(ctx context.Context, tx scope.Tx, queue, id string) (jobs.Job, error)) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		var job jobs.Job
		err := pools.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) (err error) {
			job, err = get(ctx, tx, Service, r.PathValue("key"))
			return err
		})
		if errors.Is(err, tenant.ErrNotFound) {
			return service.Response{}, service.NotFound("job")
		}
		return service.JSON(http.StatusOK, job), err
	}
}
