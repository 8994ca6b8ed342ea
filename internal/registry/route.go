package registry

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

//go:embed sql/set_route.sql
var setRouteSQL string

// acknowledgePoll is short, because a client's writes wait meanwhile.
const acknowledgePoll = 10 * time.Millisecond

// Route is where a tenant's traffic goes, and the epoch of that decision.
func (r *Registry) Route(ctx context.Context, name tenant.Name) (target tenant.Route, epoch int64, err error) {
	err = r.queryRow(ctx, `select target, epoch from tenantctl.route where tenant = $1`, []any{string(name)}, []any{&target, &epoch},
		fmt.Sprintf("route of tenant %q", name))
	return target, epoch, err
}

// SetRoute sends a tenant's traffic elsewhere and returns the epoch that gateways acknowledge; see WaitAcknowledged. Epochs
// rise over the whole fleet. A route that is set already keeps its epoch, so that a step that runs again waits for the same one.
func (r *Registry) SetRoute(ctx context.Context, name tenant.Name, target tenant.Route, actor string) (epoch int64, err error) {
	err = r.queryRow(ctx, setRouteSQL, []any{string(name), string(target), actor}, []any{&epoch},
		fmt.Sprintf("set route of tenant %q to %s", name, target))
	return epoch, err
}

// WaitAcknowledged waits until every gateway that is alive has seen an epoch and has finished what it sent on by the route
// before it, and returns those that haven't when the timeout ends. With no gateway alive there is nothing to wait for: what still reaches the legacy then is the fence's to stop.
func (r *Registry) WaitAcknowledged(ctx context.Context, epoch int64, timeout time.Duration) (missing []string, err error) {
	deadline := time.Now().Add(timeout)
	for {
		rows, err := r.pool.Query(ctx, `
			select id from tenantctl.gateway
			where (seen_epoch < $1 or $1 = any (draining)) and heartbeat > now() - make_interval(secs => $2) order by id`, epoch, gatewayAlive.Seconds())
		if err != nil {
			return nil, r.failed(err, "wait for gateways to see epoch %d", epoch)
		}
		missing, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, r.failed(err, "wait for gateways to see epoch %d", epoch)
		}
		if len(missing) == 0 || time.Now().After(deadline) {
			return missing, nil
		}
		select {
		case <-ctx.Done():
			return missing, fmt.Errorf("wait for gateways to see epoch %d: %w", epoch, ctx.Err())
		case <-time.After(acknowledgePoll):
		}
	}
}
