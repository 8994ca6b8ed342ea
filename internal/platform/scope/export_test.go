package scope

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Raw lends a connection of the tenant's cell as it comes from the pool.
func (p *Pools) Raw(ctx context.Context, t Tenant, do func(*pgx.Conn) error) error {
	conn, err := p.acquire(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Release()
	return do(conn.Conn.Conn())
}

// Sharing is how many tenants hold or wait for connections.
func (p *Pools) Sharing() int {
	p.shares.mu.Lock()
	defer p.shares.mu.Unlock()
	return len(p.shares.of)
}
