package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

// Target is where and how a stream is applied.
type Target struct {
	// Schema receives the objects and holds the version table.
	Schema string
	// Role runs the files and owns what they make; "" is the session's own.
	Role string
	// Path is the search_path; empty means Schema alone. Its first schema has to be Schema.
	Path []string
	// LockTimeout bounds the waits for locks of a transactional file: all of them together, since whoever waits behind the
	// file's first lock waits for its last one too. Each statement gets its share, 5 ms at least. 0 leaves the session's.
	LockTimeout time.Duration
	// StatementTimeout bounds each statement of a transactional file; 0 leaves the session's.
	StatementTimeout time.Duration
	// ConcurrentWait bounds each wait of a statement that works concurrently: CREATE INDEX CONCURRENTLY waits for the end of
	// every older transaction of the database. 0 means 5 min.
	ConcurrentWait time.Duration
	// Patience is how long to wait while another process migrates the schema; 0 means 15 s, golang-migrate's own default.
	Patience time.Duration
	// At is where the caller has just seen the schema, which saves a look; nil looks.
	At *Stand
	// Grants is SQL that gives others what they need on the objects of the schema. It runs in the transaction of a file that
	// creates something, as Role.
	Grants string
	// Record keeps beside the instance's own records what files the schema was made from; see Prepare.
	Record bool
	// Mark is kept with the record: which rollout it was.
	Mark string
}

func (t Target) path() []string {
	if len(t.Path) == 0 {
		return []string{t.Schema}
	}
	return t.Path
}

func (t Target) patience() time.Duration { return cmp.Or(t.Patience, migrate.DefaultLockTimeout) }

const (
	defaultConcurrentWait = 5 * time.Minute
	leastLockTimeout      = 5 * time.Millisecond
)

// lockTimeout is a statement's share of LockTimeout.
func (t Target) lockTimeout(statements int) time.Duration {
	return max(t.LockTimeout/time.Duration(max(statements, 1)), leastLockTimeout)
}

// Result is what Apply or Revert did.
type Result struct {
	From *tenant.Version // nil: nothing had been applied
	To   *tenant.Version // nil: nothing is applied any more
	// Applied are the versions whose files ran, in that order.
	Applied []uint64
	Elapsed time.Duration
}

// Apply brings a schema forward to a version, each transactional file in one transaction with its version row. It may be
// called by any number of processes at once, golang-migrate's own included: one of them works at a time, and a version is
// applied once. What was applied before an error stays, and is in the Result.
func Apply(ctx context.Context, conn *pgx.Conn, target Target, s *Stream, to uint64) (Result, error) {
	if _, err := s.File(to); err != nil {
		return Result{}, err
	}
	//nolint:contextcheck // the driver keeps the context for the engine, which passes none
	return run(ctx, conn, target, s, func(d *driver) (*step, error) { return d.forward(to) })
}

// Revert takes a schema back to a version by the files' ways down, or to before the first one where to is nil. It works as
// Apply does. A file without a way down is tenant.ErrRefused before anything is run.
func Revert(ctx context.Context, conn *pgx.Conn, target Target, s *Stream, to *uint64) (Result, error) {
	if to != nil {
		if _, err := s.File(*to); err != nil {
			return Result{}, err
		}
	}
	//nolint:contextcheck // as in Apply
	return run(ctx, conn, target, s, func(d *driver) (*step, error) { return d.backward(to) })
}

func run(ctx context.Context, conn *pgx.Conn, target Target, s *Stream, next func(*driver) (*step, error)) (Result, error) {
	began := time.Now()
	d, err := newDriver(ctx, conn, target, s)
	if err != nil {
		return Result{}, err
	}
	result := Result{From: d.at.known()}
	engine, err := migrate.NewWithInstance("files", fileSource{s}, "postgres", d)
	if err != nil {
		return Result{}, fmt.Errorf("start golang-migrate's engine: %w", err)
	}
	err = d.run(engine, next, &result)
	result.To = d.at.known()
	result.Elapsed = time.Since(began)
	return result, err
}

// known is the position as the rest of the program counts; nil is none.
func (p position) known() *tenant.Version {
	if p.version < 0 && !p.dirty {
		return nil
	}
	return &tenant.Version{Number: uint64(max(p.version, 0)), Dirty: p.dirty}
}

// step is the work of one file: its script brings the schema to a version, -1 for none.
type step struct {
	version uint64 // of the file
	script  Script
	to      int
	down    bool
}

// run lets the engine do one file after the other. One at a time, because the engine reads ahead in goroutines that would
// outlive a file that fails.
func (d *driver) run(engine *migrate.Migrate, next func(*driver) (*step, error), result *Result) error {
	deadline, races := time.Now().Add(d.target.patience()), 0
	for {
		work, err := next(d)
		if err == nil && work == nil {
			return nil
		}
		if err == nil {
			d.work = work
			err = d.drive(engine)
		}
		switch {
		case err == nil:
			result.Applied = append(result.Applied, work.version)
			deadline, races = time.Now().Add(d.target.patience()), 0
			continue
		case errors.Is(err, errRaced) && races < mostRaces:
			races++
		case errors.Is(err, errLocked) && time.Now().After(deadline):
			return fmt.Errorf("schema %q, stream %s: %w: %w", d.target.Schema, d.stream.Service, errLocked, tenant.ErrLocked)
		case !errors.Is(err, errLocked) && !errors.Is(err, errMoved):
			return err
		}
		if err := d.lookAgain(); err != nil {
			return err
		}
	}
}

// mostRaces is how often a file may lose the same race before it is an error.
const mostRaces = 5

func (d *driver) drive(engine *migrate.Migrate) error {
	if d.work.down {
		return engine.Steps(-1)
	}
	return engine.Migrate(uint(d.work.version))
}

// forward is the next file on the way up; nil when there is none left.
func (d *driver) forward(to uint64) (*step, error) {
	at := d.at.known()
	switch {
	case d.at.dirty:
		if err := d.restart(false); err != nil {
			return nil, err
		}
		return d.forward(to)
	case at == nil:
		return up(d.stream.files[0]), nil
	case at.Number == to:
		return nil, nil //nolint:nilnil // nothing left to do is no error
	}
	i, err := d.place(at.Number)
	if err != nil {
		return nil, err
	}
	if at.Number > to {
		return nil, fmt.Errorf("schema %q stands at version %d of %s, beyond %d: %w", d.target.Schema, at.Number, d.stream.Service, to, tenant.ErrConflict)
	}
	return up(d.stream.files[i+1]), nil
}

func up(file File) *step {
	return &step{version: file.Version, script: file.Up, to: int(file.Version)} //nolint:gosec // Read keeps versions below MaxInt64
}

// backward is the next file on the way down; nil when there is none left.
func (d *driver) backward(to *uint64) (*step, error) {
	at := d.at.known()
	switch {
	case d.at.dirty:
		if err := d.restart(true); err != nil {
			return nil, err
		}
		return d.backward(to)
	case at == nil, to != nil && at.Number == *to:
		return nil, nil //nolint:nilnil // nothing left to do is no error
	case to != nil && at.Number < *to:
		return nil, fmt.Errorf("schema %q stands at version %d of %s, before %d: %w", d.target.Schema, at.Number, d.stream.Service, *to, tenant.ErrConflict)
	}
	i, err := d.place(at.Number)
	if err != nil {
		return nil, err
	}
	if err := d.stream.CheckReversible(at.Number, to); err != nil {
		return nil, err
	}
	file, before := d.stream.files[i], -1
	if i > 0 {
		before = int(d.stream.files[i-1].Version) //nolint:gosec // see up
	}
	return &step{version: file.Version, script: file.Down, to: before, down: true}, nil
}

// place is the index of the file whose version the schema has.
func (d *driver) place(version uint64) (int, error) {
	i, ok := d.stream.at[version]
	switch {
	case ok:
		return i, nil
	case version > d.stream.Newest():
		return 0, tenant.WithHint(fmt.Errorf("schema %q stands at version %d of %s, these files end at %d: %w",
			d.target.Schema, version, d.stream.Service, d.stream.Newest(), tenant.ErrConflict), "use the release that made this version, or a newer one")
	}
	return 0, fmt.Errorf("schema %q stands at version %d of %s, which these files don't have: %w",
		d.target.Schema, version, d.stream.Service, tenant.ErrConflict)
}

const lookAgainAfter = 20 * time.Millisecond

// lookAgain waits a moment, since a process that queued for the lock would hold a snapshot meanwhile, for which
// CREATE INDEX CONCURRENTLY in the other process would wait.
func (d *driver) lookAgain() error {
	pause := lookAgainAfter + rand.N(lookAgainAfter) //nolint:gosec // spreads out, hides nothing
	select {
	case <-d.ctx.Done():
		return fmt.Errorf("wait for the lock of schema %q: %w", d.target.Schema, d.ctx.Err())
	case <-time.After(pause):
	}
	return d.readPosition()
}
