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

	"tenantctl/internal/operation/pause"
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
	if d.work.script.resetsPath {
		return d.onOwnSession(d.runScript)
	}
	return d.runScript()
}

func (d *driver) runScript() error {
	if d.work.script.Mode == Autocommit {
		return d.autocommit(d.work.script)
	}
	err := d.transaction()
	if code := postgres.Code(err); code == activeTransaction || code == invalidTermination && d.work.script.statements == 1 {
		// The server wants it outside of a block: then as golang-migrate runs it. The transaction is rolled back.
		d.work.script.Mode = Autocommit
		return d.autocommit(d.work.script)
	}
	return err
}

// What the server says where a statement, or the procedure that it calls, can't be in a transaction block.
const (
	activeTransaction  = "25001"
	invalidTermination = "2D000"
)

// transaction runs a script in one message with all that belongs to it.
func (d *driver) transaction() error {
	m := d.message()
	done, err := d.send(m.sql)
	if err != nil {
		return d.declined(d.work.script, err, m.offset, done.ended-m.before)
	}
	d.at = position{table: true, version: d.work.to}
	if d.work.script.leaks {
		d.abandon("discard all")
	}
	return nil
}

// onOwnSession works on a session that begins with the tenant's path, to which the script goes back, as golang-migrate's does.
func (d *driver) onOwnSession(do func() error) error {
	config := d.conn.Config()
	config.RuntimeParams["search_path"] = quotePath(d.target.path())
	own, err := pgx.ConnectConfig(d.ctx, config)
	if err != nil {
		return fmt.Errorf("open a session for %s, which goes back to the search path that its session began with: %w", d.work.script.Path, err)
	}
	shared := d.conn
	d.conn = own
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), cleanupTimeout)
		defer cancel()
		_ = own.Close(ctx)
		d.conn = shared
	}()
	return do()
}

// progress is how far a message came.
type progress struct {
	ended     int  // statements
	committed bool // one of them committed
}

// send sends one message and counts the statements that ended. A failed transaction is rolled back.
func (d *driver) send(sql string) (progress, error) {
	var done progress
	results := d.conn.PgConn().Exec(d.ctx, sql)
	for results.NextResult() {
		if tag, err := results.ResultReader().Close(); err == nil {
			done.ended++
			done.committed = done.committed || strings.HasPrefix(tag.String(), "COMMIT") || strings.HasPrefix(tag.String(), "PREPARE TRANSACTION")
		}
	}
	pause.Point(d.ctx, pause.StreamMessageSent)
	if err := results.Close(); err != nil {
		d.abandon("rollback")
		return done, fmt.Errorf("send migration: %w", err)
	}
	return done, nil
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

// errLocked, errMoved and errRaced ask Apply to look again.
var (
	errLocked = errors.New("another process migrates this schema")
	errMoved  = errors.New("another process migrated this schema meanwhile")
	errRaced  = errors.New("another session changed the same object of the database at the same time")
)

// declined tells the guard's words, and what else failed ahead of the script, from a failing script. The server parses a
// whole message before it runs any of it, hence the look at the position.
func (d *driver) declined(script Script, err error, offset, ended int) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || ended >= 0 || int(pgErr.Position) > offset {
		found := d.failed(script, err, offset, ended)
		if raced(err) {
			return fmt.Errorf("%w: %w", errRaced, found)
		}
		return found
	}
	switch text := pgErr.Message; {
	case strings.Contains(text, guardLocked):
		return errLocked
	case strings.Contains(text, guardMoved), pgErr.Code == undefinedTable: // the version table was dropped
		return errMoved
	case strings.Contains(text, guardPath):
		return tenant.WithHint(fmt.Errorf("unqualified names would not land in schema %q: %w", d.target.Schema, tenant.ErrConflict),
			fmt.Sprintf("check that schema %q exists and that role %q may use and create in it", d.target.Schema, d.target.Role))
	}
	return fmt.Errorf("prepare %s for schema %q: %w", script.Path, d.target.Schema, err)
}

// failed is the error of a script.
func (d *driver) failed(script Script, err error, offset, ended int) error {
	if postgres.Code(err) != "" {
		return locate(d.stream.Service, script, err, offset, ended)
	}
	return unanswered(fmt.Errorf("%s %s for schema %q: %w", d.stream.Service, script.Path, d.target.Schema, err))
}

// unanswered is an error that isn't the server's: what was sent may be committed or not, and the next look at the version tells.
func unanswered(err error) error {
	return tenant.WithHint(fmt.Errorf("no answer, so it may have been committed or not: %w", err),
		"run it again: the version is read anew, and what is missing is done")
}
