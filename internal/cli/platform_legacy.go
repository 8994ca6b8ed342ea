package cli

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// monolithOf is a client's monolith among the services that run.
func monolithOf(client tenant.Name) string { return legacy.Service + "/" + string(client) }

// legacies know where monoliths run that tenants.yaml doesn't tell of.
type legacies struct {
	mu    sync.RWMutex
	known map[string]string // URLs, by the names in the records
}

func (l *legacies) url(client tenant.Name) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.known[monolithOf(client)]
}

// follow reads what runs as often as it is said, until ctx is over. While the records are away it keeps what it knew.
func (l *legacies) follow(ctx context.Context, records *registry.Registry, log *slog.Logger) {
	ticker := time.NewTicker(heartbeatPause)
	defer ticker.Stop()
	for {
		running, err := records.Running(ctx)
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "where the clients' monoliths run can't be read; those known stay", "error", err)
		}
		if err == nil {
			l.keep(running)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l *legacies) keep(running []registry.RunningService) {
	known := map[string]string{}
	for _, s := range running {
		known[s.Service] = s.URL // of two the one that was started last
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = known
}
