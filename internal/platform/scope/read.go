package scope

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Read runs what queue puts into a batch, in a read-only transaction of the tenant and in one round trip altogether. Rows are
// taken by the batch's own callbacks (pgx.QueuedQuery).
func (p *Pools) Read(ctx context.Context, t Tenant, queue func(*pgx.Batch)) (err error) {
	begin, err := p.begin(t)
	if err != nil {
		return err
	}
	conn, err := p.acquire(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() { err = errors.Join(err, p.end(ctx, conn)) }()
	batch := &pgx.Batch{}
	batch.Queue("begin read only")
	for _, statement := range begin[1:] {
		batch.Queue(statement)
	}
	queue(batch)
	var clean bool
	batch.Queue("commit")
	batch.Queue(cleanSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&clean) })
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read for tenant %s: %w", t.Name, err)
	}
	if !clean {
		return errors.Join(errDirty, conn.Conn().Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// script sends statements without parameters as one message.
func script(ctx context.Context, conn *pgxpool.Conn, statements ...string) error {
	return conn.Conn().PgConn().Exec(ctx, strings.Join(statements, ";")).Close()
}

// commit ends a transaction and reads whether the connection is clean. The server answers the commit of a transaction in which
// something failed with ROLLBACK, and no error.
func commit(ctx context.Context, conn *pgxpool.Conn, clean *bool) error {
	results, err := conn.Conn().PgConn().Exec(ctx, "commit;"+cleanSQL).ReadAll()
	if err != nil {
		return err
	}
	if tag := results[0].CommandTag.String(); tag != "COMMIT" {
		return fmt.Errorf("the transaction had failed before its end: %s", strings.ToLower(tag))
	}
	rows := results[len(results)-1].Rows
	*clean = len(rows) == 1 && string(rows[0][0]) == "t"
	return nil
}
