package registry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

// Lease is the right to work on something, held by one process at a time. It is a session of its own that has an advisory lock;
// its token is higher than any before it. A goroutine keeps its heartbeat until Release, which must be called.
type Lease struct {
	name   string
	token  int64
	timing leaseTiming

	mutex sync.Mutex // guards conn
	conn  *pgx.Conn

	lostOnce sync.Once
	lost     chan struct{} // closed when the lease is lost; cause is set before
	cause    error

	release sync.Once
	stop    chan struct{} // closed by Release
	done    chan struct{} // closed when the heartbeat ended
}

func startLease(ctx context.Context, conn *pgx.Conn, name string, token int64, timing leaseTiming) *Lease {
	lease := &Lease{
		name: name, token: token, timing: timing, conn: conn,
		lost: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{}),
	}
	// The heart goes on beating after the caller's context ended: until Release there may be work to put in order.
	go lease.keep(context.WithoutCancel(ctx))
	return lease
}

// Token is the fencing token: see RaiseToken and HoldToken.
func (l *Lease) Token() int64 { return l.token }

// Name is what the lease is of.
func (l *Lease) Name() string { return l.name }

// Lost is closed when the lease is lost.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Context is ctx, canceled with a cause that is tenant.ErrLeaseLost when the lease is lost. Call the function when the work is
// done.
func (l *Lease) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	held, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-l.lost:
			cancel(l.cause)
		case <-held.Done():
		}
	}()
	return held, func() { cancel(context.Canceled) }
}

// Check asks the server whether the lease is still ours: tenant.ErrLeaseLost if another took it, or if its session is gone.
func (l *Lease) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// A canceled query would close the session, and with it let the lease go.
	return l.ask(context.WithoutCancel(ctx), `select from tenantctl.lease where name = $1 and token = $2`)
}

func (l *Lease) keep(ctx context.Context) {
	defer close(l.done)
	ticker := time.NewTicker(l.timing.beat)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		if l.ask(ctx, `update tenantctl.lease set heartbeat_at = now() where name = $1 and token = $2`) != nil {
			return
		}
	}
}

// ask runs a statement that affects the lease's row if the token is still ours. Anything else means that the lease is lost.
func (l *Lease) ask(ctx context.Context, sql string) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	select {
	case <-l.lost:
		return l.cause
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, l.timing.answer)
	defer cancel()
	tag, err := l.conn.Exec(ctx, sql, l.name, l.token)
	switch {
	case err != nil:
		return l.lose(fmt.Errorf("lease %q: its session is gone: %w: %w", l.name, tenant.ErrLeaseLost, err))
	case tag.RowsAffected() == 0:
		return l.lose(fmt.Errorf("lease %q was taken over by another process: %w", l.name, tenant.ErrLeaseLost))
	}
	return nil
}

func (l *Lease) lose(cause error) error {
	l.lostOnce.Do(func() {
		l.cause = tenant.WithHint(cause, "nothing of this run was written after that; `tenantctl status` shows who goes on with it")
		close(l.lost)
	})
	return l.cause
}

// Release lets the lease go and closes its session, also when ctx is over. A lease that was lost before gives that as its error.
// Only the first call does something.
func (l *Lease) Release(ctx context.Context) error {
	var err error
	l.release.Do(func() {
		close(l.stop)
		<-l.done
		err = l.ask(context.WithoutCancel(ctx), releaseSQL)
		// Where the lock couldn't be let go, the end of the session does it.
		closeSession(ctx, l.conn)
	})
	return err
}

const releaseSQL = `
	with released as (
		update tenantctl.lease set released_at = now() where name = $1 and token = $2 returning name
	)
	select pg_advisory_unlock(tenantctl.lease_key(name)) from released`

const closeTimeout = 5 * time.Second

func closeSession(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // the connection is closed whatever it says
}
