package scope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Tx is a transaction that reaches one tenant's schema, as that tenant's role of the service. It isn't for whoever uses it to
// end, and it is of no use once it has ended.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

var (
	// ErrUnfinished is a transaction in which a statement failed, and whose user said nothing of it.
	ErrUnfinished = errors.New("a statement failed and its error was passed over; nothing was written")
	// ErrEscaped is a transaction that its user ended, or in which the role became another.
	ErrEscaped = errors.New("the transaction was ended, or its role changed, by what runs in it")
)

const (
	endTimeout = 5 * time.Second
	// reset leaves nothing of a transaction, whatever it did: what a role or database has as its own setting stays. It is
	// `discard all`, which can't be sent in the message that commits, but for plans, of which there are none.
	reset = "reset role;reset all;close all;deallocate all;unlisten *;discard temp;discard sequences;select pg_advisory_unlock_all()"
)

// begin is what a transaction begins with.
type begin struct {
	role     string
	sets     []string // statements, in their order, whose effect ends with the transaction
	timeouts timeouts
}

// whose is what a begin is made of.
type whose struct {
	name           tenant.Name
	prefix, schema string
	statement      time.Duration
}

// begin is what the tenant's transactions begin with. It is put together once, and anew where something of it has changed.
func (p *Pools) begin(t Tenant) (begin, error) {
	if !t.Has(p.Service) {
		return begin{}, fmt.Errorf("tenant %s has no service %s: %w", t.Name, p.Service, tenant.ErrNotFound)
	}
	of := whose{t.Name, t.RolePrefix, t.Schema, t.Limits.StatementTimeout}
	if made, known := p.begins.Load(of); known {
		return made.(begin), nil //nolint:forcetypeassert // nothing else is stored
	}
	role, err := t.Role(p.Service)
	if err != nil {
		return begin{}, err
	}
	made := begin{role: role, sets: []string{
		"set local role " + postgres.Literal(role),
		"set local search_path = " + postgres.Ident(t.Schema) + ", ext",
	}, timeouts: timeouts{statement: t.Limits.StatementTimeout.Milliseconds(), lock: tenant.LockTimeout.Milliseconds()}}
	p.begins.Store(of, made)
	return made, nil
}

// on are the statements on a connection: those without effect are left out.
func (b begin) on(conn *held) []string {
	has := conn.timeouts()
	b.sets = slices.Clip(b.sets) // they are shared
	if b.timeouts.statement != has.statement {
		b.sets = append(b.sets, "set local statement_timeout = "+strconv.FormatInt(b.timeouts.statement, 10))
	}
	if b.timeouts.lock != has.lock {
		b.sets = append(b.sets, "set local lock_timeout = "+strconv.FormatInt(b.timeouts.lock, 10))
	}
	return b.sets
}

// message is the one with which a transaction of several messages begins: their writer may die in between.
func (b begin) message(conn *held) string {
	idle := "set local idle_in_transaction_session_timeout = " + strconv.FormatInt(max(2*b.timeouts.statement, time.Minute.Milliseconds()), 10)
	return "begin;" + strings.Join(b.on(conn), ";") + ";" + idle
}

// Tx runs do in a transaction of the tenant, and commits it when do returns nil. It takes two round trips and those of do.
func (p *Pools) Tx(ctx context.Context, t Tenant, do func(ctx context.Context, tx Tx) error) (err error) {
	ctx, span := telemetry.Start(ctx, telemetry.Client, "transaction", database...)
	defer func() {
		if err != nil {
			span.Fail("rolled back")
		}
		span.End()
	}()
	begin, err := p.begin(t)
	if err != nil {
		return err
	}
	conn, err := p.start(ctx, t, begin)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() { err = errors.Join(err, conn.end(ctx)) }() // a panic ends the transaction, too
	tx := &transaction{conn: conn.Conn.Conn()}
	defer tx.over.Store(true)
	if err := do(ctx, tx); err != nil {
		return conn.explain(err)
	}
	if status := tx.conn.PgConn().TxStatus(); status == idle && !tx.conn.IsClosed() {
		return errors.Join(fmt.Errorf("tenant %s: %w", t.Name, ErrEscaped), conn.destroy(ctx))
	}
	if err := conn.commit(ctx, begin.role); err != nil {
		return fmt.Errorf("commit for tenant %s: %w", t.Name, conn.explain(err))
	}
	return nil
}

// database are the attributes of spans of work in the database: neither statements nor what they are given, which is a tenant's data.
var database = []slog.Attr{slog.String("db.system.name", "postgresql")} //nolint:gochecknoglobals // a constant list

// idle is the status of a connection in no transaction.
const idle = 'I'

// start takes a connection and begins on it. Nothing has happened yet where the connection turns out to be lost, so another is
// taken: after a restart of the server, those that the pool holds are.
func (p *Pools) start(ctx context.Context, t Tenant, begin begin) (*held, error) {
	for try := 0; ; try++ {
		conn, err := p.acquire(ctx, t)
		if err != nil {
			return nil, err
		}
		err = conn.script(ctx, begin.message(conn))
		if err == nil {
			return conn, nil
		}
		again := conn.lost(ctx) && try < p.MaxConns
		err = errors.Join(conn.explain(err), conn.end(ctx))
		conn.Release()
		if !again {
			return nil, declined(t, err)
		}
	}
}

// declined tells of a tenant whose role is gone, or isn't the service's to take any more, before we have heard of it.
func declined(t Tenant, err error) error {
	switch postgres.Code(err) {
	case "22023", "42704", "42501":
		return fmt.Errorf("begin for tenant %s: %w: %w", t.Name, tenant.ErrNotFound, err)
	}
	return fmt.Errorf("begin for tenant %s: %w", t.Name, err)
}
