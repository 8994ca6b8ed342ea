package gateway

import (
	"context"
	"time"

	"tenantctl/internal/platform/scope"
)

// beatTime bounds one heartbeat: the next one should find us.
const beatTime = 3 * time.Second

// changed is told by the directory.
func (g *Gateway) changed(t scope.Tenant) {
	g.traffic.change(t.Name)
	g.wakeUp()
}

func (g *Gateway) wakeUp() {
	select {
	case g.wake <- struct{}{}:
	default: // it is about to be looked at anyway
	}
}

// beat sends heartbeats until ctx is over, and at once when there is something to acknowledge.
func (g *Gateway) beat(ctx context.Context) {
	ticker := time.NewTicker(g.Beat)
	defer ticker.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-g.wake:
		}
		err := g.acknowledge(ctx)
		if err != nil && !away && ctx.Err() == nil {
			g.Log.WarnContext(ctx, "the records can't be told which routes the gateway acts by; it goes on", "gateway", g.ID, "error", err)
		}
		away = err != nil
	}
}

// acknowledge tells which routes we act by. The epoch is read before the books: each request by an older route is in them, or
// done.
func (g *Gateway) acknowledge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	epoch := g.Directory.Epoch()
	draining := g.traffic.draining(g.Drain, func(f *flight) {
		g.metrics.rejected.WithLabelValues("cut").Inc()
		g.Log.WarnContext(ctx, "a write was cut: the side that it went to is being left", "tenant", f.tenant, "side", f.side, "after", g.Drain)
	})
	alive, err := g.Records.GatewaySeen(ctx, g.ID, epoch, draining...)
	if err != nil {
		return err
	}
	g.rate.Share(alive)
	return nil
}
