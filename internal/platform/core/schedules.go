package core

import (
	"context"
	"errors"
	"net/http"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// permissionFor is what somebody needs who has a kind of job come again and again: what asking for one needs.
func permissionFor(kind string) string {
	if kind == ExportKind {
		return "orders:read"
	}
	return "invoices:read"
}

func listSchedules(pools resource.Store) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		return service.List(r, func(limit int, after *string) (list []jobs.Planned, err error) {
			behind := ""
			if after != nil {
				behind = *after
			}
			err = pools.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
				list, err = jobs.Schedules(ctx, tx, Service, behind, limit)
				return err
			})
			return list, err
		}, func(s jobs.Planned) string { return s.Name })
	}
}

func getSchedule(pools resource.Store) service.Handler {
	return oneSchedule(pools, func(context.Context, scope.Tx, *service.Request) error { return nil })
}

func setSchedule(pools resource.Store) service.Handler {
	return oneSchedule(pools, func(ctx context.Context, tx scope.Tx, r *service.Request) error {
		var body struct {
			Kind, Spec, Zone string
			Paused           bool
		}
		if err := r.Decode(&body); err != nil {
			return err
		}
		if needs := permissionFor(body.Kind); !r.Identity.May(needs) {
			return service.Refuse(http.StatusForbidden, "forbidden", "a schedule of this kind needs the permission %s", needs)
		}
		err := jobs.SetSchedule(ctx, tx, jobs.Schedule{Queue: Service, Name: r.PathValue("key"), Kind: body.Kind, Spec: body.Spec, Zone: body.Zone, Paused: body.Paused})
		if errors.Is(err, tenant.ErrInvalid) {
			return service.Refuse(http.StatusUnprocessableEntity, "invalid", "spec or zone isn't valid, or never comes")
		}
		return err
	})
}

// oneSchedule answers with a schedule as it is when do has been done.
func oneSchedule(pools resource.Store, do func(ctx context.Context, tx scope.Tx, r *service.Request) error) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		var found jobs.Planned
		err := pools.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) (err error) {
			if err := do(ctx, tx, r); err != nil {
				return err
			}
			found, err = jobs.GetSchedule(ctx, tx, Service, r.PathValue("key"))
			return err
		})
		return service.JSON(http.StatusOK, found), orNoSchedule(err)
	}
}

func deleteSchedule(pools resource.Store) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		err := pools.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
			return jobs.DeleteSchedule(ctx, tx, Service, r.PathValue("key"))
		})
		return service.NoContent(), orNoSchedule(err)
	}
}

func orNoSchedule(err error) error {
	if errors.Is(err, tenant.ErrNotFound) {
		return service.NotFound("schedule")
	}
	return err
}
