package scope

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
)

// Tx is a transaction that reaches one tenant's schema, as that tenant's role of the service. It can't be ended by who uses it.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

const (
	lockTimeout = 5 * time.Second
	endTimeout  = 5 * time.Second
	// cleanSQL proves that nothing of a transaction stays: it is sent with what ends it.
	cleanSQL = `select current_user = session_user and current_setting('search_path') = '"$user", public'`
)

// begin is what a transaction begins with; one message, since the names in it are quoted.
func (p *Pools) begin(t Tenant) ([]string, error) {
	role, err := t.Role(p.Service)
	if err != nil {
		return nil, err
	}
	return []string{
		"begin",
		"set local role " + postgres.Ident(role),
		"set local search_path = " + postgres.Ident(t.Schema) + ", ext",
		fmt.Sprintf("set local statement_timeout = %d", t.Limits.StatementTimeout.Milliseconds()),
		fmt.Sprintf("set local lock_timeout = %d", lockTimeout.Milliseconds()),
		fmt.Sprintf("set local idle_in_transaction_session_timeout = %d", max(2*t.Limits.StatementTimeout, time.Minute).Milliseconds()),
	}, nil
}

// Tx runs do in a transaction of the tenant, and commits it when do returns nil. It takes three round trips and those of do.
func (p *Pools) Tx(ctx context.Context, t Tenant, do func(ctx context.Context, tx Tx) error) (err error) {
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
	if err := script(ctx, conn, begin...); err != nil {
		return fmt.Errorf("begin for tenant %s: %w", t.Name, err)
	}
	if err := do(ctx, conn.Conn()); err != nil {
		return err
	}
	var clean bool
	if err := commit(ctx, conn, &clean); err != nil {
		return fmt.Errorf("commit for tenant %s: %w", t.Name, err)
	}
	if !clean {
		return errors.Join(errDirty, conn.Conn().Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// end rolls back what is still open, so that the connection can be used again: a pool throws away those in a transaction, and a
// tenant that fails at its first statement would cost everyone a new connection each time.
func (p *Pools) end(ctx context.Context, conn *pgxpool.Conn) error {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := script(ctx, conn, "rollback"); err != nil {
		return errors.Join(fmt.Errorf("roll back: %w", err), conn.Conn().Close(ctx))
	}
	return nil
}
