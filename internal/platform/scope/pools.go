package scope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Cell is what a pool is for: the tenants of a cell, as one service.
type Cell struct {
	Instance, Cell string
}

// Login is with what a service logs in for a cell: a connection string. It is asked for each new connection, since passwords
// are rotated.
type Login func(ctx context.Context, cell Cell) (dsn string, err error)

// PoolOptions bound a service's connections.
type PoolOptions struct {
	Service  string
	Login    Login
	MaxConns int           // of each cell's pool; 0 means 8
	Share    int           // of them that one tenant may hold at once; 0 means half
	Acquire  time.Duration // how long a request waits for a connection; 0 means 2 s
	Life     time.Duration // of a connection, plus up to a fifth at random; 0 means 10 min. What a backend keeps of each table ends with it.
	Log      *slog.Logger
}

const (
	defaultMaxConns = 8
	defaultAcquire  = 2 * time.Second
	defaultLife     = 10 * time.Minute
	// cancelTime is how long a canceled statement may take to end before its connection is given up.
	cancelTime = 2 * time.Second
)

// Pools are a service's connections, a pool for each cell. They are a prometheus.Collector.
type Pools struct {
	PoolOptions

	shares  shares
	metrics *metrics
	begins  sync.Map // of begin by whose

	mu    sync.Mutex
	pools map[Cell]*pgxpool.Pool
}

// OpenPools opens the pools of the cells that there are. A cell that comes later gets its pool with its first request.
func OpenPools(ctx context.Context, opts PoolOptions, cells []Cell) (*Pools, error) {
	if opts.MaxConns == 0 {
		opts.MaxConns = defaultMaxConns
	}
	if opts.Share == 0 {
		opts.Share = (opts.MaxConns + 1) / 2
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Acquire == 0 {
		opts.Acquire = defaultAcquire
	}
	if opts.Life == 0 {
		opts.Life = defaultLife
	}
	p := &Pools{
		PoolOptions: opts, shares: shares{each: opts.Share, of: map[tenant.Name]*share{}}, metrics: newMetrics(opts.Service),
		pools: map[Cell]*pgxpool.Pool{},
	}
	for _, cell := range cells {
		if _, err := p.pool(ctx, cell); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// Close closes the connections.
func (p *Pools) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pool := range p.pools {
		pool.Close()
	}
}

// Ping fails where there are pools and none of them reaches its server. While one does, its tenants are served.
func (p *Pools) Ping(ctx context.Context) error {
	p.mu.Lock()
	pools := slices.Collect(maps.Values(p.pools))
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.Acquire)
	defer cancel()
	answers := make(chan error, len(pools))
	for _, pool := range pools {
		go func() { answers <- pool.Ping(ctx) }()
	}
	var errs []error
	for range pools {
		err := <-answers
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (p *Pools) pool(ctx context.Context, cell Cell) (*pgxpool.Pool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pool := p.pools[cell]; pool != nil {
		return pool, nil
	}
	dsn, err := p.Login(ctx, cell)
	if err != nil {
		return nil, fmt.Errorf("log-in of %s for cell %s: %w", p.Service, cell.Cell, err)
	}
	config, err := p.config(dsn, cell)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, fmt.Errorf("open the pool of cell %s: %w", cell.Cell, err)
	}
	p.pools[cell] = pool
	return pool, nil
}

// config is a pool's. Statements go out unprepared: their plans would break where tenants are at different versions, and through
// PgBouncer.
func (p *Pools) config(dsn string, cell Cell) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("connection string of cell %s isn't valid", cell.Cell) // the parser's text may quote the password
	}
	config.MaxConns = int32(p.MaxConns) //nolint:gosec // a small number
	config.MinConns = 1
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = p.Life, p.Life/5
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	// Nothing that a pooler between us and the server would refuse, or would not keep apart. Times are read as text, in one style.
	config.ConnConfig.RuntimeParams = map[string]string{"application_name": "tenantctl/" + p.Service, "datestyle": "ISO"}
	// A request that is given up cancels its statement, and leaves the connection to the next.
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelTime}
	}
	config.AfterConnect = lookAtTimeouts
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		dsn, err := p.Login(ctx, cell)
		if err != nil {
			return err
		}
		fresh, err := pgx.ParseConfig(dsn)
		if err == nil {
			c.Password = fresh.Password
		}
		return nil
	}
	return config, nil
}

// acquire takes a connection of the tenant's cell. ErrBusy: none came free in time.
func (p *Pools) acquire(ctx context.Context, t Tenant) (*held, error) {
	cell := Cell{t.Instance, t.Cell}
	pool, err := p.pool(ctx, cell)
	if err != nil {
		return nil, p.refuse(cell, refusedServer, err)
	}
	began := time.Now()
	wait, cancel := context.WithTimeout(ctx, p.Acquire)
	defer cancel()
	giveBack, err := p.shares.take(wait, t.Name)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, p.refuse(cell, refusedTenant, ErrBusy)
	}
	conn, err := pool.Acquire(wait)
	if err == nil {
		p.metrics.wait.WithLabelValues(cell.Instance, cell.Cell).Observe(time.Since(began).Seconds())
		return &held{Conn: conn, pools: p, cell: cell, share: giveBack}, nil
	}
	giveBack()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case wait.Err() != nil && pool.Stat().AcquiredConns() >= pool.Stat().MaxConns():
		return nil, p.refuse(cell, refusedCell, ErrBusy)
	}
	return nil, p.refuse(cell, refusedServer, postgres.Explain(pool.Config().ConnConfig, err))
}

// refuse counts that there was no connection. That the log-in isn't there, or the database, must not look as if what was asked
// for weren't: what causes ErrUnavailable is only for people to read.
func (p *Pools) refuse(cell Cell, reason string, err error) error {
	p.metrics.refused.WithLabelValues(cell.Instance, cell.Cell, reason).Inc()
	if reason == refusedServer {
		return fmt.Errorf("connection of cell %s: %w: %v", cell.Cell, ErrUnavailable, err) //nolint:errorlint // see above
	}
	return fmt.Errorf("connection of cell %s, bound of the %s: %w", cell.Cell, reason, err)
}
