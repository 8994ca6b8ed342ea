package bus

import (
	"errors"
	"fmt"
)

var (
	// ErrReturned is a message for which the broker has no queue.
	ErrReturned = errors.New("no queue takes it")
	// errRefused is a message that the broker didn't confirm.
	errRefused = errors.New("not confirmed by the broker")
	// errLost is a session that has ended.
	errLost = errors.New("the broker's session ended")
)

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks what trying again can't mend: the message is parked at once.
func Permanent(err error) error { return permanent{err} }

type later struct{ error }

func (l later) Unwrap() error { return l.error }

// Later marks what isn't the message's fault, such as a server that is away: it is tried again after a while, however often.
func Later(err error) error { return later{err} }

// IsPermanent tells whether trying again can't mend it.
func IsPermanent(err error) bool { return errors.As(err, &permanent{}) }

func isLater(err error) bool { return errors.As(err, &later{}) }

// panicked is what a handler that panicked comes to: a fault of the message or of the handler, and no reason to end the process.
func panicked(value any) error { return fmt.Errorf("the handler panicked: %v", value) }
