//go:build pausepoints

package pause

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var reached atomic.Int64 //nolint:gochecknoglobals // counts visits in a binary made for tests only

// Point ends the process by SIGKILL at the visit that TENANTCTL_KILL_AT asks for.
func Point(_ context.Context, name Name) {
	wanted, count, _ := strings.Cut(os.Getenv("TENANTCTL_KILL_AT"), ":")
	if wanted != string(name) {
		return
	}
	visit, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		visit = 1
	}
	if reached.Add(1) == visit {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}
