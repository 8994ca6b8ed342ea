package bus

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	firstPause  = 100 * time.Millisecond
	longestWait = 10 * time.Second
)

// supervise runs one session after the other until ctx ends. Each begins with a new connection and new channels: what belongs to
// an earlier one fails then, and can't be taken for the new one's. Pauses grow until a session says that it is up.
func supervise(ctx context.Context, log *slog.Logger, what string, session func(ctx context.Context, up func()) error) {
	pause := firstPause
	for ctx.Err() == nil {
		err := session(ctx, func() { pause = firstPause })
		if ctx.Err() != nil {
			return
		}
		log.WarnContext(ctx, "broker's session ended", "of", what, "error", err, "pause", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spreads out, hides nothing
		}
		pause = min(2*pause, longestWait)
	}
}
