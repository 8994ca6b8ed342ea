package registry

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/lease_take.sql
	leaseTakeSQL string
	//go:embed sql/lease_holder.sql
	leaseHolderSQL string
	//go:embed sql/lease_take_over.sql
	leaseTakeOverSQL string
)

// leaseTiming is how leases pass from a process that died or fell silent to the next.
type leaseTiming struct {
	beat     time.Duration // between heartbeats
	answer   time.Duration // how long a heartbeat waits for the server before the lease counts as lost
	stale    time.Duration // silence after which another process may take the lease over; more than beat and answer together
	patience time.Duration // how long Acquire waits for a holder to go: the server needs a moment to notice a killed one
	poll     time.Duration
}

func defaultTiming() leaseTiming {
	return leaseTiming{
		beat: 5 * time.Second, answer: 10 * time.Second, stale: 30 * time.Second,
		patience: 500 * time.Millisecond, poll: 25 * time.Millisecond,
	}
}

// LeaseName is the lease under which any work on a tenant is done.
func LeaseName(name tenant.Name) string { return "tenant:" + string(name) }

// Acquire takes a lease for this process; holder, usually ThisProcess(), is what others are told. Where another process has it,
// the error is tenant.ErrLocked and names that. A killed holder's lease is free at once; a holder that is silent for 30 s,
// because it was stopped or cut off, loses it to whoever asks.
func (r *Registry) Acquire(ctx context.Context, name, holder string) (*Lease, error) {
	conn, err := postgres.Connect(ctx, r.dsn, postgres.Options{Application: "lease " + name})
	if err != nil {
		return nil, fmt.Errorf("acquire lease %q: %w", name, err)
	}
	token, err := r.take(ctx, conn, name, holder)
	if err != nil {
		closeSession(ctx, conn)
		return nil, fmt.Errorf("acquire lease %q: %w", name, postgres.Explain(conn.Config(), err))
	}
	return startLease(ctx, conn, name, token, r.timing), nil
}

// take polls for the lock; a waiting lock request would be another session's to trip over.
func (r *Registry) take(ctx context.Context, conn *pgx.Conn, name, holder string) (int64, error) {
	ending := 0 // the session that was told to end
	deadline := time.Now().Add(r.timing.patience)
	for {
		var token int64
		err := conn.QueryRow(ctx, leaseTakeSQL, name, text(holder)).Scan(&token)
		if !errors.Is(err, pgx.ErrNoRows) {
			return token, err
		}
		held, err := r.holder(ctx, conn, name)
		if err != nil {
			return 0, err
		}
		switch {
		case held == nil: // let go since
		case held.Stale:
			if err := takeOver(ctx, conn, name, holder, held); err != nil {
				return 0, err
			}
			ending, deadline = held.PID, time.Now().Add(r.timing.answer)
		case ending != 0 && held.PID != ending: // a third process was faster
			ending, deadline = 0, time.Now().Add(r.timing.patience)
		case time.Now().After(deadline):
			return 0, held.locked(name)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(r.timing.poll):
		}
	}
}

// holding is the session that has a lease's lock.
type holding struct {
	PID           int
	Token         int64
	Known         bool // the lease's row is that session's
	Holder        string
	AcquiredAt    time.Time
	SilentSeconds float64
	Stale         bool
}

// holder is who has the lock; nil where it was let go since.
func (r *Registry) holder(ctx context.Context, conn *pgx.Conn, name string) (*holding, error) {
	rows, err := conn.Query(ctx, leaseHolderSQL, name, r.timing.stale.Seconds())
	if err != nil {
		return nil, err
	}
	held, err := pgx.CollectOneRow(rows, pgx.RowToAddrOfStructByName[holding])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return held, err
}

func (h *holding) locked(name string) error {
	if !h.Known {
		return tenant.WithHint(fmt.Errorf("another process is just taking %q: %w", name, tenant.ErrLocked), "try again in a moment")
	}
	err := fmt.Errorf("%s holds it since %s: %w", h.Holder, h.AcquiredAt.UTC().Format("2006-01-02 15:04:05 MST"), tenant.ErrLocked)
	return tenant.WithHint(err, "wait for that process or stop it, then run the command again; the work goes on where it stands")
}

// takeOver ends the session of a silent holder, whose token is void from then on.
func takeOver(ctx context.Context, conn *pgx.Conn, name, holder string, held *holding) error {
	tag, err := conn.Exec(ctx, leaseTakeOverSQL, name, held.Token, text(holder))
	if err != nil {
		return fmt.Errorf("raise the token: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil // another process was faster; the next look shows it
	}
	_, err = conn.Exec(ctx, `select pg_terminate_backend(pid) from tenantctl.held_lease where name = $1 and pid = $2`, name, held.PID)
	if err != nil {
		return fmt.Errorf("end session %d of %s, which fell silent: %w", held.PID, held.Holder, err)
	}
	return nil
}
