package stream

import (
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
	// LockTimeout bounds the wait for a lock in a transactional file; 0 leaves the session's.
	LockTimeout time.Duration
	// Patience is how long to wait while another process migrates the schema; 0 means 15 s, golang-migrate's own default.
	Patience time.Duration
}

func (t Target) path() []string {
	if len(t.Path) == 0 {
		return []string{t.Schema}
	}
	return t.Path
}

func (t Target) patience() time.Duration {
	if t.Patience == 0 {
		return migrate.DefaultLockTimeout
	}
	return t.Patience
}

// Result is what Apply did.
type Result struct {
	From    *tenant.Version // nil: nothing had been applied
	To      tenant.Version
	Applied []uint64
	Elapsed time.Duration
}

// Apply brings a schema forward to a version, each transactional file in one transaction with its version row. It may be
// called by any number of processes at once, golang-migrate's own included: one of them works at a time, and a version is
// applied once. What was applied before an error stays, and is in the Result.
func Apply(ctx context.Context, conn *pgx.Conn, target Target, s *Stream, to uint64) (Result, error) {
	began := time.Now()
	if _, err := s.File(to); err != nil {
		return Result{}, err
	}
	d, err := newDriver(ctx, conn, target, s)
	if err != nil {
		return Result{}, err
	}
	result := Result{From: d.at.known()}
	engine, err := migrate.NewWithInstance("files", fileSource{s}, "postgres", d)
	if err != nil {
		return Result{}, fmt.Errorf("start golang-migrate's engine: %w", err)
	}
	err = d.forward(engine, to, &result) //nolint:contextcheck // the driver keeps the context for the engine, which passes none
	if at := d.at.known(); at != nil {
		result.To = *at
	}
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

// forward lets the engine do one file after the other. One at a time, because the engine reads ahead in goroutines that would
// outlive a file that fails.
func (d *driver) forward(engine *migrate.Migrate, to uint64, result *Result) error {
	deadline := time.Now().Add(d.target.patience())
	for {
		next, err := d.next(to)
		if err == nil && next == nil {
			return nil
		}
		if err == nil {
			err = engine.Migrate(uint(*next))
		}
		switch {
		case err == nil:
			result.Applied = append(result.Applied, *next)
			deadline = time.Now().Add(d.target.patience())
			continue
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

// next is the version to apply now, nil when there is none left.
func (d *driver) next(to uint64) (*uint64, error) {
	at := d.at.known()
	switch {
	case d.at.dirty:
		return d.restart()
	case at == nil:
		return &d.stream.files[0].Version, nil
	case at.Number == to:
		return nil, nil //nolint:nilnil // nothing left to do is no error
	}
	i, ok := d.stream.at[at.Number]
	switch {
	case !ok && at.Number > d.stream.Newest():
		return nil, tenant.WithHint(fmt.Errorf("schema %q stands at version %d of %s, these files end at %d: %w",
			d.target.Schema, at.Number, d.stream.Service, d.stream.Newest(), tenant.ErrConflict), "use the release that made this version, or a newer one")
	case !ok:
		return nil, fmt.Errorf("schema %q stands at version %d of %s, which these files don't have: %w",
			d.target.Schema, at.Number, d.stream.Service, tenant.ErrConflict)
	case at.Number > to:
		return nil, fmt.Errorf("schema %q stands at version %d of %s, beyond %d: %w", d.target.Schema, at.Number, d.stream.Service, to, tenant.ErrConflict)
	}
	return &d.stream.files[i+1].Version, nil
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
