package copy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

const (
	pipeBuffer = 256 << 10 // bytes handed from reader to writer at a time
	pipeDepth  = 3         // buffers between them
)

// pipe carries rows from the reader of one connection to the writer of another through a few buffers, so that both work at
// once and a fast reader waits. Rows larger than a buffer pass in pieces.
type pipe struct {
	ctx     context.Context //nolint:containedctx // io.Writer and io.Reader have no other way; the pipe lives within one call
	full    chan []byte
	empty   chan []byte
	filling []byte
	reading []byte
	current []byte // buffer that reading is the rest of
	limiter *rate.Limiter
}

func newPipe(ctx context.Context, limiter *rate.Limiter) *pipe {
	p := &pipe{ctx: ctx, full: make(chan []byte, pipeDepth), empty: make(chan []byte, pipeDepth+2), limiter: limiter}
	for range pipeDepth + 1 {
		p.empty <- make([]byte, 0, pipeBuffer)
	}
	p.filling = make([]byte, 0, pipeBuffer)
	return p
}

// Write implements io.Writer for the reading side.
func (p *pipe) Write(data []byte) (int, error) {
	written := len(data)
	for len(data) > 0 {
		n := min(len(data), cap(p.filling)-len(p.filling))
		p.filling = append(p.filling, data[:n]...)
		data = data[n:]
		if len(p.filling) == cap(p.filling) {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (p *pipe) flush() error {
	if p.limiter != nil {
		if err := p.limiter.WaitN(p.ctx, len(p.filling)); err != nil {
			return err
		}
	}
	select {
	case p.full <- p.filling:
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	select {
	case p.filling = <-p.empty:
		p.filling = p.filling[:0]
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// finish sends what is left and closes the writing side.
func (p *pipe) finish() error {
	err := p.flush()
	if err == nil {
		close(p.full)
	}
	return err
}

// Read implements io.Reader for the writing side.
func (p *pipe) Read(into []byte) (int, error) {
	for len(p.reading) == 0 {
		if p.current != nil {
			p.empty <- p.current
			p.current = nil
		}
		select {
		case buffer, open := <-p.full:
			if !open {
				return 0, io.EOF
			}
			p.current, p.reading = buffer, buffer
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
	}
	n := copy(into, p.reading)
	p.reading = p.reading[n:]
	return n, nil
}

// errOtherSide ends one side of a stream because the other failed; the other's error is the cause.
var errOtherSide = errors.New("the other side of the copy failed")

// stream runs COPY on both connections and sums the rows that pass.
func stream(ctx context.Context, from *pgconn.PgConn, out string, to *pgconn.PgConn, in string, rows *Rows, limiter *rate.Limiter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := newPipe(ctx, limiter)
	var sent, taken int64
	var group errgroup.Group
	group.Go(func() error {
		tag, err := from.CopyTo(ctx, io.MultiWriter(rows, p), out)
		if err == nil {
			err = p.finish()
		}
		sent = tag.RowsAffected()
		return sideError(ctx, cancel, "read", err)
	})
	group.Go(func() error {
		tag, err := to.CopyFrom(ctx, p, in)
		taken = tag.RowsAffected()
		return sideError(ctx, cancel, "write", err)
	})
	if err := group.Wait(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	if sent != rows.Sum.Rows || taken != rows.Sum.Rows {
		return fmt.Errorf("source sent %d rows, %d were summed, target took %d", sent, rows.Sum.Rows, taken)
	}
	return nil
}

// sideError makes the first failure of either side the cause of the whole and ends the other side.
func sideError(ctx context.Context, cancel context.CancelCauseFunc, side string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errOtherSide
	}
	err = fmt.Errorf("%s: %w", side, err)
	cancel(err)
	return err
}
