package tenant

import "errors"

// Sentinels that callers branch on; cli maps them to exit codes.
var (
	// ErrInvalid is input that breaks a rule: usage, exit code 3.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound is a thing that was named and isn't there.
	ErrNotFound = errors.New("not found")
	// ErrConflict is state that forbids the request: a schema that isn't ours, a write since the move.
	ErrConflict = errors.New("conflict")
	// ErrLocked is work that another process holds the lease of.
	ErrLocked = errors.New("locked")
	// ErrLeaseLost stops a runner whose lease was taken over.
	ErrLeaseLost = errors.New("lease lost")
	// ErrRefused is a move or step that preflight checks declined before anything was touched.
	ErrRefused = errors.New("refused")
	// ErrAuth is a server that declined who we are: exit code 4.
	ErrAuth = errors.New("authentication failed")
	// ErrPartial is fleet work of which some tenants failed: exit code 5.
	ErrPartial = errors.New("some tenants failed")
	// ErrChanges is a plan that isn't empty, asked for with --detailed-exitcode: exit code 2.
	ErrChanges = errors.New("changes pending")
	// ErrInterrupted is work that a signal drained; it goes on when run again: exit code 130.
	ErrInterrupted = errors.New("interrupted")
	// ErrStopped is work that stopped at a gate or where it was told to: exit code 7.
	ErrStopped = errors.New("stopped at a gate")
)

// HintError is an error with the next thing to type. Its message is the cause's; cli prints the hint below it.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// WithHint adds what to do next to an error; nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &HintError{Err: err, Hint: hint}
}

// Hints collects the hints along an error's chain, joined errors included, outermost first.
func Hints(err error) []string {
	var hints []string
	switch e := err.(type) { //nolint:errorlint // the walk visits each link itself
	case nil:
		return nil
	case *HintError:
		hints = append(hints, e.Hint)
		return append(hints, Hints(e.Err)...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			hints = append(hints, Hints(inner)...)
		}
		return hints
	}
	return Hints(errors.Unwrap(err))
}
