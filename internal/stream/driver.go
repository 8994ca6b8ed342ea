package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// driver is what golang-migrate's engine drives: it calls SetVersion(v, dirty), Run(body), SetVersion(v, clean) for each file.
// The context is kept because the engine's interface passes none.
type driver struct {
	ctx    context.Context //nolint:containedctx // see above
	conn   *pgx.Conn
	target Target
	stream *Stream
	table  string // qualified and quoted
	locks  []string
	at     position
	work   *step // what the engine was told to do
}

var _ database.Driver = (*driver)(nil)

func newDriver(ctx context.Context, conn *pgx.Conn, t Target, s *Stream) (*driver, error) {
	config := conn.Config()
	locks, err := lockIDs(cmp.Or(config.Database, config.User), t.Schema, s.Table())
	if err != nil {
		return nil, err
	}
	d := &driver{ctx: ctx, conn: conn, target: t, stream: s, table: postgres.Ident(t.Schema, s.Table()), locks: locks}
	if t.At != nil {
		d.at = t.At.position()
		return d, nil
	}
	return d, d.readPosition()
}

func (d *driver) readPosition() error {
	d.at = position{version: database.NilVersion}
	row := d.conn.QueryRow(d.ctx, `select version, dirty from `+d.table+` limit 1`)
	err := row.Scan(&d.at.version, &d.at.dirty)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		d.at.table = true
	case postgres.Code(err) == "42P01":
	case err != nil:
		return fmt.Errorf("read version of %s in schema %q: %w", d.stream.Service, d.target.Schema, err)
	default:
		d.at.table = true
	}
	return nil
}

func (d *driver) Open(string) (database.Driver, error) { return d, nil }

// Close leaves the connection to its owner.
func (d *driver) Close() error { return nil }

// Lock leaves locking to what is run: a transactional file takes the locks within its own message.
func (d *driver) Lock() error { return nil }

// Unlock is Lock's counterpart.
func (d *driver) Unlock() error { return nil }

func (d *driver) Version() (version int, dirty bool, err error) { return d.at.version, d.at.dirty, nil }

// Drop is not for this program: provision removes what it made, by name.
func (d *driver) Drop() error { return errors.ErrUnsupported }

// Run is told of the body after SetVersion has named the file; the work is done there, or by SetVersion once the file is over.
func (d *driver) Run(migration io.Reader) error {
	if _, err := io.Copy(io.Discard, migration); err != nil {
		return fmt.Errorf("read migration: %w", err)
	}
	return nil
}

// SetVersion does a file's work when the engine says that it is over: by then everything that belongs in the message is known.
func (d *driver) SetVersion(version int, dirty bool) error {
	if dirty {
		return nil
	}
	if version != d.work.to {
		return fmt.Errorf("golang-migrate's engine wants version %s where %s was meant", label(version), label(d.work.to))
	}
	if d.work.script.Mode == Autocommit {
		return d.autocommit(d.work.script)
	}
	m := d.message()
	ended, err := d.send(m.sql)
	if err != nil {
		return d.declined(d.work.script, err, m.offset, ended-m.before)
	}
	d.at = position{table: true, version: version}
	if d.work.script.leaks {
		d.abandon("discard all")
	}
	return nil
}

// send sends one message and counts the statements that ended. A failed transaction is rolled back.
func (d *driver) send(sql string) (ended int, err error) {
	results := d.conn.PgConn().Exec(d.ctx, sql)
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err == nil {
			ended++
		}
	}
	if err := results.Close(); err != nil {
		d.abandon("rollback")
		return ended, fmt.Errorf("send migration: %w", err)
	}
	return ended, nil
}

const cleanupTimeout = 5 * time.Second

// abandon brings the session back to where it was; if it can't, it closes the connection, which does so too.
func (d *driver) abandon(sql string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), cleanupTimeout)
	defer cancel()
	if d.conn.IsClosed() {
		return
	}
	if err := postgres.Script(ctx, d.conn, sql); err != nil {
		_ = d.conn.Close(ctx)
	}
}

// errLocked and errMoved ask Apply to look again.
var (
	errLocked = errors.New("another process migrates this schema")
	errMoved  = errors.New("another process migrated this schema meanwhile")
)

// declined tells the guard's words, and what else failed ahead of the script, from a failing script. The server parses a
// whole message before it runs any of it, hence the look at the position.
func (d *driver) declined(script Script, err error, offset, ended int) error {
	var pgErr *pgconn.PgError
	if ended >= 0 || errors.As(err, &pgErr) && int(pgErr.Position) > offset {
		return locate(d.stream.Service, script, err, offset, ended)
	}
	switch text := err.Error(); {
	case strings.Contains(text, guardLocked):
		return errLocked
	case strings.Contains(text, guardMoved):
		return errMoved
	case strings.Contains(text, guardPath):
		return tenant.WithHint(fmt.Errorf("unqualified names would not land in schema %q: %w", d.target.Schema, tenant.ErrConflict),
			fmt.Sprintf("check that schema %q exists and that role %q may use and create in it", d.target.Schema, d.target.Role))
	}
	return fmt.Errorf("prepare %s for schema %q: %w", script.Path, d.target.Schema, err)
}
