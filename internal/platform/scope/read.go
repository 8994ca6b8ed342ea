package scope

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/telemetry"
)

// Read runs what queue puts into a batch, in a read-only transaction of the tenant and in one round trip altogether. Rows are
// taken by the batch's own callbacks (pgx.QueuedQuery). The transaction is rolled back at its end, so that no setting outlives it.
func (p *Pools) Read(ctx context.Context, t Tenant, queue func(*pgx.Batch)) error {
	ctx, span := telemetry.Start(ctx, telemetry.Client, "read", database...)
	defer span.End()
	begin, err := p.begin(t)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		conn, err := p.acquire(ctx, t)
		if err != nil {
			return err
		}
		begun, err := conn.read(ctx, t, begin, queue)
		again := !begun && conn.lost(ctx) && try < p.MaxConns // see start
		err = errors.Join(conn.explain(err), conn.end(ctx))
		conn.Release()
		if !again {
			return err
		}
	}
}

// read tells whether the server began.
func (h *held) read(ctx context.Context, t Tenant, begin begin, queue func(*pgx.Batch)) (begun bool, err error) {
	batch, set := &pgx.Batch{}, false
	batch.Queue("begin read only").Exec(func(pgconn.CommandTag) error { begun = true; return nil })
	var last *pgx.QueuedQuery
	for _, statement := range begin.on(h) {
		last = batch.Queue(statement)
	}
	last.Exec(func(pgconn.CommandTag) error { set = true; return nil })
	queue(batch)
	batch.Queue("rollback")
	err = h.SendBatch(ctx, batch).Close()
	switch {
	case err != nil && !set:
		return begun, declined(t, err)
	case err != nil:
		return begun, fmt.Errorf("read for tenant %s: %w", t.Name, err)
	}
	return begun, nil
}
