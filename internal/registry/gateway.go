package registry

import (
	"context"
	_ "embed"
	"time"
)

//go:embed sql/gateway_seen.sql
var gatewaySeenSQL string

// gatewayAlive is how old a gateway's heartbeat may be for its word to be waited for.
const gatewayAlive = 10 * time.Second

// RouteEpoch is the epoch of the newest change of any route. A gateway that begins asks for it after its first heartbeat, and
// serves when its routes are as new: whoever didn't wait for its word had changed the route before.
func (r *Registry) RouteEpoch(ctx context.Context) (epoch int64, err error) {
	err = r.queryRow(ctx, `select epoch from tenantctl.route_epoch`, nil, []any{&epoch}, "newest epoch of the routes")
	return epoch, err
}

// GatewaySeen is a gateway's heartbeat: it acts by the routes up to an epoch, and has finished what it sent on by older ones,
// but for the epochs that drain. It returns how many gateways are alive, this one included.
func (r *Registry) GatewaySeen(ctx context.Context, id string, epoch int64, draining ...int64) (alive int, err error) {
	if draining == nil {
		draining = []int64{}
	}
	if err := r.pool.QueryRow(ctx, gatewaySeenSQL, id, epoch, draining, gatewayAlive.Seconds()).Scan(&alive); err != nil {
		return 0, r.failed(err, "heartbeat of gateway %q", id)
	}
	return alive, nil
}

// GatewayGone takes a gateway that has finished off the list, and with it those that died long ago.
func (r *Registry) GatewayGone(ctx context.Context, id string) error {
	_, err := r.pool.Exec(ctx, `delete from tenantctl.gateway where id = $1 or heartbeat < now() - interval '1 hour'`, id)
	if err != nil {
		return r.failed(err, "take gateway %q off the list", id)
	}
	return nil
}
