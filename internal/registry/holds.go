package registry

import (
	"context"
	_ "embed"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/holds_take.sql
	holdsTakeSQL string
	//go:embed sql/holds_release.sql
	holdsReleaseSQL string
)

// Holds are leases of many tenants, taken and released some at a time on one session: for short work on a whole fleet. Each is
// the same lease that Acquire takes. It doesn't wait, and takes none over from a silent holder. It may be used by several
// goroutines.
type Holds struct {
	timing leaseTiming
	holder string

	mutex sync.Mutex // guards conn and lost
	conn  *pgx.Conn
	lost  error

	stop chan struct{}
	done chan struct{}
}

// OpenHolds begins with none. Close must be called.
func (r *Registry) OpenHolds(ctx context.Context, holder string) (*Holds, error) {
	conn, err := postgres.Connect(ctx, r.dsn, postgres.Options{
		Application: "leases", Settings: map[string]string{"synchronous_commit": "off"}, // a lease is its session's lock
	})
	if err != nil {
		return nil, fmt.Errorf("open a session for leases: %w", err)
	}
	h := &Holds{timing: r.timing, holder: holder, conn: conn, stop: make(chan struct{}), done: make(chan struct{})}
	go h.keep(context.WithoutCancel(ctx))
	return h, nil
}

// Take takes the leases of those tenants that nobody works on, and returns their tokens: for work that commits on an instance,
// which RaiseToken is to be told of them. Work that doesn't raise them must be safe without.
func (h *Holds) Take(ctx context.Context, names []tenant.Name) (map[tenant.Name]int64, error) {
	leases := make([]string, len(names))
	byLease := make(map[string]tenant.Name, len(names))
	for i, name := range names {
		leases[i] = LeaseName(name)
		byLease[leases[i]] = name
	}
	taken := make(map[tenant.Name]int64, len(names))
	err := h.ask(ctx, func(ctx context.Context) error {
		var lease string
		var token int64
		return postgres.Each(ctx, h.conn, holdsTakeSQL, []any{leases, text(h.holder)}, []any{&lease, &token}, func() error {
			taken[byLease[lease]] = token
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("take leases: %w", err)
	}
	return taken, nil
}

// Release lets leases go.
func (h *Holds) Release(ctx context.Context, names []tenant.Name) error {
	leases := make([]string, len(names))
	for i, name := range names {
		leases[i] = LeaseName(name)
	}
	err := h.ask(ctx, func(ctx context.Context) error {
		var released int
		return h.conn.QueryRow(ctx, holdsReleaseSQL, leases).Scan(&released)
	})
	if err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	return nil
}

func (h *Holds) keep(ctx context.Context) {
	defer close(h.done)
	ticker := time.NewTicker(h.timing.beat)
	defer ticker.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-ticker.C:
		}
		err := h.ask(ctx, func(ctx context.Context) error {
			_, err := h.conn.Exec(ctx, `update tenantctl.lease set heartbeat_at = now() where backend_pid = pg_backend_pid() and released_at is null`)
			return err
		})
		if err != nil {
			return
		}
	}
}

// ask uses the session. One that failed is closed, and with it every lease is gone.
func (h *Holds) ask(ctx context.Context, do func(context.Context) error) error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.lost != nil {
		return h.lost
	}
	// A canceled query would close the session, and with it let the leases go.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.timing.answer)
	defer cancel()
	if err := do(ctx); err != nil {
		h.lost = fmt.Errorf("the session of the leases failed: %w: %w", tenant.ErrLeaseLost, err)
		closeSession(ctx, h.conn)
		return h.lost
	}
	return nil
}

// Close lets all leases go, with their session.
func (h *Holds) Close(ctx context.Context) error {
	close(h.stop)
	<-h.done
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.lost != nil {
		return h.lost
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_, err := h.conn.Exec(ctx, `update tenantctl.lease set released_at = now() where backend_pid = pg_backend_pid() and released_at is null`)
	closeSession(ctx, h.conn)
	if err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	return nil
}
