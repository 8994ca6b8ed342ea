package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Length says how long jobs of a kind take.
type Length string

// The lengths of jobs.
const (
	Short Length = "short" // seconds
	Long  Length = "long"  // more: they can't take all slots, and should call Task.Checkpoint
)

// Kind is a sort of jobs, and what does them.
type Kind struct {
	Name   string
	Length Length
	// Do does a job. It should call Task.Complete at its end; where it returns nil without it the job is completed by itself. An
	// error has the job done again later, unless it is Permanent.
	Do func(ctx context.Context, task *Task) error
	// Timeout is how long an attempt may take; 0 means 1 h.
	Timeout time.Duration
}

// Permanent is an error that another attempt would meet, too.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

var (
	// ErrLost is an attempt whose job is somebody else's by now, or was canceled: nothing that it does may be kept.
	ErrLost = errors.New("the job isn't this attempt's any more")
	// ErrYield is what Task.Checkpoint returns when the job is to give way. Handlers pass it on.
	ErrYield = errors.New("the job gives way to others")
	// errCanceled is the cause of a context whose job was canceled.
	errCanceled = fmt.Errorf("canceled: %w", ErrLost)
	// errEnding is the cause of a context whose worker ends.
	errEnding = errors.New("the worker ends")
)
