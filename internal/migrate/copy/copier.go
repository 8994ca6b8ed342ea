package copy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Mark records that a chunk has arrived, and what it held. It commits with the rows.
type Mark struct {
	Table string
	Chunk Chunk
	Sum   Sum
}

// Marks keeps the marks where the rows land.
type Marks interface {
	// Done lists the chunks that have arrived.
	Done(ctx context.Context) ([]Mark, error)
	// Hold proves within a transaction that we still have the right to write, until its end.
	Hold(ctx context.Context, tx pgx.Tx) error
	// Save records a mark within the rows' transaction.
	Save(ctx context.Context, tx pgx.Tx, mark Mark) error
	// Flush makes everything that has been committed so far durable.
	Flush(ctx context.Context) error
}

// Dial opens one session with all settings that a copy needs; see SessionSettings.
type Dial func(ctx context.Context) (*pgx.Conn, error)

// Copier copies tables. A chunk that met a lost connection is tried again; any other error ends the copy.
type Copier struct {
	Source, Target Dial
	Marks          Marks
	Jobs           int             // parallel streams
	ChunkBytes     int64           // 0: DefaultChunkBytes
	Seed           uint64          // of the row hashes
	Limiter        *rate.Limiter   // bytes a second; nil: none
	Progress       *Progress       // may be nil
	Drain          <-chan struct{} // once closed, begun chunks end and no other begins; nil never is
	Patience       time.Duration   // how long to try again when a server is away; 0: one minute
}

const (
	defaultPatience = time.Minute
	firstPause      = 200 * time.Millisecond
	longestPause    = 5 * time.Second
)

// Run copies every chunk that has no mark yet. Chunks don't wait for the disk when they commit, so a target that crashed may
// have lost some of them, rows and mark: Run looks again until nothing is missing.
func (c *Copier) Run(ctx context.Context, tables []Table, sourceVersion int) error {
	for {
		done, err := c.done(ctx)
		if err != nil {
			return err
		}
		list := tasks(tables, c.ChunkBytes, sourceVersion, done)
		if len(list) == 0 {
			return nil
		}
		if err := c.copyAll(ctx, list); err != nil {
			return err
		}
		if err := c.Marks.Flush(ctx); err != nil {
			return fmt.Errorf("make the copied rows durable: %w", err)
		}
	}
}

func (c *Copier) copyAll(ctx context.Context, list []task) error {
	queue := make(chan task, len(list))
	for _, t := range list {
		queue <- t
	}
	close(queue)
	group, ctx := errgroup.WithContext(ctx)
	for range min(max(c.Jobs, 1), len(list)) {
		group.Go(func() error { return c.work(ctx, queue) })
	}
	return group.Wait()
}

func (c *Copier) done(ctx context.Context) (map[chunkKey]bool, error) {
	marks, err := c.Marks.Done(ctx)
	if err != nil {
		return nil, fmt.Errorf("read chunk marks: %w", err)
	}
	done := make(map[chunkKey]bool, len(marks))
	c.Progress.restart()
	for _, mark := range marks {
		done[chunkKey{mark.Table, mark.Chunk.Number}] = true
		c.Progress.add(mark.Table, mark.Sum)
		c.Progress.arrived(mark.Table)
	}
	return done, nil
}

// work copies chunks until none is left.
func (c *Copier) work(ctx context.Context, queue <-chan task) error {
	var l link
	defer func() { l.close(ctx) }()
	for t := range queue {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.Drain:
			return tenant.ErrInterrupted
		default:
		}
		if err := c.withRetries(ctx, &l, t); err != nil {
			return fmt.Errorf("copy %s: %w", t.table.Name, err)
		}
	}
	return nil
}

// withRetries copies one chunk, again while servers are away and patience lasts. Nothing is copied twice: an
// attempt that failed has committed nothing, and one whose COMMIT went unanswered is looked up by its mark.
func (c *Copier) withRetries(ctx context.Context, l *link, t task) error {
	patience := c.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	deadline := time.Now().Add(patience)
	for wait := firstPause; ; wait = min(wait*2, longestPause) {
		err := c.attempt(ctx, l, t)
		if err == nil || ctx.Err() != nil {
			return err
		}
		l.close(ctx)
		if postgres.Classify(err) != postgres.Retryable || time.Now().After(deadline) {
			return err
		}
		jitter := time.Duration(rand.Int64N(int64(wait))) //nolint:gosec // spreads retries, guards nothing
		select {
		case <-time.After(wait/2 + jitter):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (c *Copier) attempt(ctx context.Context, l *link, t task) error {
	fresh, err := l.open(ctx, c.Source, c.Target)
	if err != nil {
		return err
	}
	if fresh {
		done, err := c.Marks.Done(ctx)
		if err != nil {
			return fmt.Errorf("read chunk marks: %w", err)
		}
		for _, mark := range done {
			if mark.Table == t.table.Name && mark.Chunk.Number == t.chunk.Number {
				return nil
			}
		}
	}
	return c.chunk(ctx, l, t)
}

// chunk copies one chunk in one transaction of the target, its mark included.
func (c *Copier) chunk(ctx context.Context, l *link, t task) error {
	if err := sameFile(ctx, l.source, t.table); err != nil {
		return err
	}
	tx, err := l.target.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := c.Marks.Hold(ctx, tx); err != nil {
		return err
	}
	freeze, err := emptied(ctx, tx, t)
	if err != nil {
		return err
	}
	// Rows and mark are lost or kept together, and Run looks for lost ones: no need to wait for the disk each time.
	if _, err := tx.Exec(ctx, "set local synchronous_commit = off"); err != nil {
		return fmt.Errorf("set synchronous_commit: %w", err)
	}
	rows := &Rows{Format: t.table.Format, Columns: len(t.table.Columns), Seed: c.Seed}
	rows.Each = c.Progress.Meter(t.table.Name)
	err = stream(ctx, l.source.PgConn(), t.table.CopyOut(t.table.SelectSQL(t.chunk)), l.target.PgConn(), t.table.copyIn(freeze), rows, c.Limiter)
	if err != nil {
		c.Progress.take(t.table.Name, rows.Sum)
		return c.nameRow(ctx, t, err)
	}
	pause.Point(ctx, pause.CopyChunkStreamed)
	if err := sameFile(ctx, l.source, t.table); err != nil {
		return err
	}
	if err := c.Marks.Save(ctx, tx, Mark{Table: t.table.Name, Chunk: t.chunk, Sum: rows.Sum}); err != nil {
		return fmt.Errorf("mark chunk %d: %w", t.chunk.Number, err)
	}
	pause.Point(ctx, pause.CopyChunkMarked)
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit chunk %d: %w", t.chunk.Number, err)
	}
	c.Progress.arrived(t.table.Name)
	pause.Point(ctx, pause.CopyChunkCommitted)
	return nil
}

// emptied truncates the table of a chunk that is all its target will hold, which allows rows that need no vacuum later.
// A table that others reference can't be truncated; it is copied without.
func emptied(ctx context.Context, tx pgx.Tx, t task) (bool, error) {
	if !t.alone {
		return false, nil
	}
	target := postgres.Ident(t.table.Target.Schema, t.table.Target.Name)
	var referenced bool
	err := tx.QueryRow(ctx, `select exists (select from pg_constraint where confrelid = $1::regclass and contype = 'f')`, target).Scan(&referenced)
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", target, err)
	}
	if referenced {
		return false, nil
	}
	if _, err := tx.Exec(ctx, "truncate only "+target); err != nil {
		return false, fmt.Errorf("empty %s: %w", target, err)
	}
	return true, nil
}

// sameFile refuses to go on when the table was rewritten or truncated: an older snapshot would read no rows, silently.
func sameFile(ctx context.Context, source *pgx.Conn, t Table) error {
	var filenode uint32
	err := source.QueryRow(ctx, `select coalesce(pg_relation_filenode($1::oid::regclass), 0)`, t.Source.OID).Scan(&filenode)
	if err != nil {
		return fmt.Errorf("look at the file of %s: %w", t.Name, err)
	}
	if filenode != t.Source.Filenode {
		return fmt.Errorf("%s was rewritten, truncated or dropped during the move (file %d, was %d)", t.Name, filenode, t.Source.Filenode)
	}
	return nil
}

// link is one worker's pair of sessions.
type link struct {
	source, target *pgx.Conn
	used           bool // a session of this worker was lost before
}

// open connects what isn't connected. fresh tells that sessions were replaced, so that the outcome of the last
// COMMIT is unknown.
func (l *link) open(ctx context.Context, source, target Dial) (fresh bool, err error) {
	var group sync.WaitGroup
	var sourceErr, targetErr error
	if l.source == nil || l.source.IsClosed() {
		group.Go(func() { l.source, sourceErr = source(ctx) })
	}
	if l.target == nil || l.target.IsClosed() {
		fresh = l.used
		group.Go(func() { l.target, targetErr = target(ctx) })
	}
	group.Wait()
	if err := errors.Join(sourceErr, targetErr); err != nil {
		return false, err
	}
	l.used = true
	return fresh, nil
}

const closeTimeout = 5 * time.Second

func (l *link) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	for _, conn := range []**pgx.Conn{&l.source, &l.target} {
		if *conn != nil {
			_ = (*conn).Close(ctx) // the session is given up either way
			*conn = nil
		}
	}
}
