package fleet

import (
	"strconv"
	"testing"
)

// Redis is a server of a test's own.
type Redis struct {
	URL     string
	program *program
}

// NewRedis starts one that keeps nothing on disk. The test is skipped where there is no redis-server.
func NewRedis(t testing.TB) *Redis {
	t.Helper()
	p := newProgram(t, "redis-server")
	p.args = []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(p.port), "--save", "", "--appendonly", "no", "--dir", p.dir}
	p.start(t)
	return &Redis{URL: "redis://" + p.address() + "/0", program: p}
}

// Stop ends the server.
func (r *Redis) Stop(t testing.TB) { t.Helper(); r.program.stop(t) }

// Start starts it again, at the same address and empty.
func (r *Redis) Start(t testing.TB) { t.Helper(); r.program.start(t) }
