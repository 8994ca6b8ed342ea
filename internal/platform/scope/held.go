package scope

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
)

// held is a connection on loan, and its tenant's share of them.
type held struct {
	*pgxpool.Conn
	pools *Pools
	cell  Cell
	share func() // gives it back
}

// Release gives the connection back.
func (h *held) Release() {
	if h.Conn.Conn().IsClosed() {
		h.pools.metrics.lost.WithLabelValues(h.cell.Instance, h.cell.Cell).Inc()
	}
	h.Conn.Release()
	h.share()
}

// script sends statements without parameters as one message.
func (h *held) script(ctx context.Context, statements string) error {
	return h.Conn.Conn().PgConn().Exec(ctx, statements).Close()
}

// lost tells that the server has left us, and not we it.
func (h *held) lost(ctx context.Context) bool { return ctx.Err() == nil && h.Conn.Conn().IsClosed() }

// explain names the server where it was lost.
func (h *held) explain(err error) error {
	if err == nil {
		return nil
	}
	return postgres.Explain(h.Conn.Conn().Config(), err)
}

// timeouts are what the connection has where a transaction sets nothing, in milliseconds: its log-in's own, or the database's.
type timeouts struct{ statement, lock int64 }

const timeoutsKey = "timeouts"

// lookAtTimeouts asks a new connection. Behind a pooler it is another session of the same log-in that a transaction comes to.
func lookAtTimeouts(ctx context.Context, conn *pgx.Conn) error {
	var has timeouts
	err := conn.QueryRow(ctx, `select (extract(epoch from current_setting('statement_timeout')::interval) * 1000)::bigint,
		(extract(epoch from current_setting('lock_timeout')::interval) * 1000)::bigint`).Scan(&has.statement, &has.lock)
	conn.PgConn().CustomData()[timeoutsKey] = has
	return err
}

func (h *held) timeouts() timeouts {
	has, _ := h.Conn.Conn().PgConn().CustomData()[timeoutsKey].(timeouts)
	return has
}

// destroy keeps the pool from lending the connection again.
func (h *held) destroy(ctx context.Context) error {
	return h.Conn.Conn().Close(context.WithoutCancel(ctx))
}

// commit ends a transaction and leaves nothing of it, in one message. The server answers the commit of a transaction in which
// something failed with ROLLBACK, and no error. Once it has answered COMMIT nothing that follows makes the transaction fail.
func (h *held) commit(ctx context.Context, role string) error {
	results, err := h.Conn.Conn().PgConn().Exec(ctx, "show role;commit;"+reset).ReadAll()
	const committed = 1 // is the second result
	if len(results) <= committed || results[committed].Err != nil {
		if postgres.Code(err) == "25P02" {
			return ErrUnfinished
		}
		return err
	}
	if tag := results[committed].CommandTag.String(); tag != "COMMIT" {
		return ErrUnfinished
	}
	if now := results[0].Rows; len(now) != 1 || string(now[0][0]) != role {
		return errors.Join(fmt.Errorf("%w, and it has been committed", ErrEscaped), h.destroy(ctx))
	}
	if err != nil {
		h.pools.Log.WarnContext(ctx, "connection can't be used again after a commit", "error", err)
		return h.destroy(ctx)
	}
	return nil
}

// end rolls back what is still open, so that the connection can be used again: a pool throws away those in a transaction, and a
// tenant that fails at its first statement would cost everyone a new connection each time.
func (h *held) end(ctx context.Context) error {
	conn := h.Conn.Conn()
	if conn.IsClosed() || conn.PgConn().TxStatus() == idle {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := h.script(ctx, "rollback;"+reset); err != nil {
		return errors.Join(fmt.Errorf("roll back: %w", err), conn.Close(ctx))
	}
	return nil
}
