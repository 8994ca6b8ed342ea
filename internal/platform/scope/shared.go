package scope

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// SharedOptions say how the login of a part that all tenants of an instance share reaches it: the bus's, or the jobs'.
type SharedOptions struct {
	What     string // "bus", for errors
	Instance string
	// DSN is asked for each connection, since passwords are rotated.
	DSN         func(ctx context.Context) (string, error)
	Application string
	Conns       int32
	Mode        pgx.QueryExecMode
}

// OpenShared opens a pool of such a login. No tenant's transaction comes of it: those are of Pools.
func OpenShared(ctx context.Context, o SharedOptions) (*pgxpool.Pool, error) {
	dsn, err := o.DSN(ctx)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, o.invalid()
	}
	config.MaxConns = o.Conns
	config.ConnConfig.DefaultQueryExecMode = o.Mode
	config.ConnConfig.RuntimeParams = map[string]string{"application_name": o.Application}
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		dsn, err := o.DSN(ctx)
		if err != nil {
			return err
		}
		now, err := pgx.ParseConfig(dsn)
		if err != nil {
			return o.invalid()
		}
		c.Password = now.Password
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the %s of %s: %w", o.What, o.Instance, err)
	}
	return pool, nil
}

// invalid doesn't have the parser's text, which may quote the password.
func (o SharedOptions) invalid() error {
	return fmt.Errorf("connection string of the %s on %s isn't valid", o.What, o.Instance)
}
