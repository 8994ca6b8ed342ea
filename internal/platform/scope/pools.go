package scope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
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
	Acquire  time.Duration // how long a request waits for a connection; 0 means 2 s
	Life     time.Duration // of a connection, plus up to a fifth at random; 0 means 10 min. What a backend keeps of each table ends with it.
	Log      *slog.Logger
}

const (
	defaultMaxConns = 8
	defaultAcquire  = 2 * time.Second
	defaultLife     = 10 * time.Minute
)

// Pools are a service's connections, a pool for each cell.
type Pools struct {
	PoolOptions

	mu    sync.Mutex
	pools map[Cell]*pgxpool.Pool
}

// OpenPools opens the pools of the cells that there are. A cell that comes later gets its pool with its first request.
func OpenPools(ctx context.Context, opts PoolOptions, cells []Cell) (*Pools, error) {
	if opts.MaxConns == 0 {
		opts.MaxConns = defaultMaxConns
	}
	if opts.Acquire == 0 {
		opts.Acquire = defaultAcquire
	}
	if opts.Life == 0 {
		opts.Life = defaultLife
	}
	p := &Pools{PoolOptions: opts, pools: map[Cell]*pgxpool.Pool{}}
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
	config.ConnConfig.RuntimeParams = map[string]string{"application_name": "tenantctl/" + p.Service}
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
func (p *Pools) acquire(ctx context.Context, t Tenant) (*pgxpool.Conn, error) {
	pool, err := p.pool(ctx, Cell{t.Instance, t.Cell})
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, p.Acquire)
	defer cancel()
	conn, err := pool.Acquire(wait)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == nil && wait.Err() != nil && pool.Stat().AcquiredConns() >= pool.Config().MaxConns:
		return nil, fmt.Errorf("wait for a connection of cell %s: %w", t.Cell, ErrBusy)
	}
	return nil, postgres.Explain(pool.Config().ConnConfig, err)
}

// errDirty is a connection on which something outlived its transaction.
var errDirty = errors.New("a session setting outlived its transaction")
