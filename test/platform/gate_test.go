package platform

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a version does that somebody released in good faith: the service selects a column that is gone, or waits for what was quick.
const (
	breaks = `alter table customers rename column fax to facsimile`
	mends  = `alter table customers rename column facsimile to fax`
	slows  = `alter table customers rename to customers_kept;
create view customers with (security_invoker = true) as select c.* from customers_kept as c, pg_sleep(0.3)`
	quickens = `drop view customers; alter table customers_kept rename to customers`
)

// ship adds a version to the folder of core's migrations.
func (s *stage) ship(name, up, down string) {
	s.t.Helper()
	for way, sql := range map[string]string{".up.sql": up, ".down.sql": down} {
		require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "core", name+way), []byte(sql), 0o600))
	}
}

// visit has people of each tenant look at their customers until stop is called, which returns what was answered by tenant and status.
func (s *stage) visit(tenants ...string) (stop func() map[string]map[int]int) {
	answered := map[string]map[int]int{}
	var mu sync.Mutex
	var people sync.WaitGroup
	ctx, cancel := context.WithCancel(s.t.Context())
	for _, name := range tenants {
		answered[name] = map[int]int{}
		for range 4 {
			people.Go(func() {
				for ctx.Err() == nil {
					status := s.look(name)
					mu.Lock()
					answered[name][status]++
					mu.Unlock()
					time.Sleep(10 * time.Millisecond) // people, not a flood
				}
			})
		}
	}
	return func() map[string]map[int]int { cancel(); people.Wait(); return answered }
}

// look is the status of one answer; 0 where there was none.
func (s *stage) look(tenant string) int {
	r, err := http.NewRequest(http.MethodGet, s.scheme+s.address+"/v1/customers?limit=5", http.NoBody)
	if err != nil {
		return 0
	}
	r.Host = host(tenant)
	r.Header.Set("Authorization", "Bearer "+s.tokens[tenant])
	answer, err := s.client.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// fails runs a command that has to end with an exit code, and returns its messages.
func (s *stage) fails(code int, args ...string) string {
	s.t.Helper()
	cmd := s.command(args...)
	out, err := cmd.CombinedOutput()
	require.Error(s.t, err, "%s", out)
	require.Equal(s.t, code, cmd.ProcessState.ExitCode(), "%s", out)
	return string(out)
}

// at is at which version of core tenants stand.
func (s *stage) at(names ...string) map[string]string {
	s.t.Helper()
	at := map[string]string{}
	for _, name := range names {
		at[name] = s.text(`select version::text from tenant_` + name + `.schema_migrations_core`)
	}
	return at
}

// TestAGateStopsABadVersion: a version that the service can't work with, or only slowly, is stopped after the first wave by what the
// running services count, with no Prometheus anywhere. The neighbors don't notice, and the way back makes all well again.
func TestAGateStopsABadVersion(t *testing.T) {
	t.Parallel()
	s := openStage(t, `services: { users: {}, auth: {}, core: { migrations: core } }
defaults: { limits: { requestsPerSecond: 100000 } }
rollout:
  rings: [ { name: canary, bake: 1500ms }, { name: general } ]
  gates: { attempts: 1, database: { off: true }, services: { minSamples: 10 } }
tenants: { acme: { ring: canary }, beta: {}, gamma: {} }
`)
	builtin := os.DirFS(filepath.Join("..", "..", "internal", "platform", "core", "migrations"))
	require.NoError(t, os.CopyFS(filepath.Join(s.dir, "core"), builtin))
	for _, way := range []string{".up.sql", ".down.sql"} {
		require.NoError(t, os.Remove(filepath.Join(s.dir, "core", "007_idempotency"+way)))
	}
	s.tenantctl("", "provision", "--all")
	s.serve("all")
	names := []string{"acme", "beta", "gamma"}
	for _, name := range names {
		s.tenantctl(password, "user", "add", name, "admin", "--role", "admin", "--password-stdin")
		s.tokens[name] = s.login(name)
		s.create(name, "/v1/customers", `{"name":"Ann"}`, "code")
	}
	before := map[string]string{"acme": "6", "beta": "6", "gamma": "6"}
	require.Equal(t, before, s.at(names...))

	for _, bad := range []struct{ name, up, down, says string }{
		{"007_facsimile", breaks, mends, "gate services failed: errors of core at version 7 "},
		{"007_slow", slows, quickens, "gate services failed: latency of core at version 7 "},
	} {
		s.ship(bad.name, bad.up, bad.down)
		stop := s.visit(names...)
		said := s.fails(7, "upgrade", "--all", "--yes")
		answered := stop()
		require.Contains(t, said, bad.says)
		require.Contains(t, said, "of core at version 6 ")
		require.Contains(t, said, "tenantctl upgrade --rollback r")
		require.Equal(t, map[string]string{"acme": "7", "beta": "6", "gamma": "6"}, s.at(names...), "the second wave didn't begin")
		for _, name := range names[1:] {
			require.Len(t, answered[name], 1, "%s: %v", name, answered)
			require.Greater(t, answered[name][http.StatusOK], 20, name)
		}
		t.Log(answered, strings.SplitN(said, "gate services failed", 2)[1])

		id := said[strings.Index(said, "--rollback r")+len("--rollback "):]
		id = id[:strings.IndexByte(id, '`')]
		if bad.up == breaks { // Resumed in silence it doesn't go on: nothing has shown that it is well now.
			require.Contains(t, s.fails(7, "upgrade", "--resume", "--yes"), "gate services can't tell: ")
		}
		s.tenantctl("", "upgrade", "--rollback", id, "--yes")
		require.Equal(t, before, s.at(names...))
		require.Eventually(t, func() bool { return s.look("acme") == http.StatusOK }, 5*time.Second, 20*time.Millisecond)
		for _, way := range []string{".up.sql", ".down.sql"} {
			require.NoError(t, os.Remove(filepath.Join(s.dir, "core", bad.name+way)))
		}
	}

	// The version mended, the same rollout goes through.
	good, err := os.ReadFile(filepath.Join("..", "..", "internal", "platform", "core", "migrations", "007_idempotency.up.sql"))
	require.NoError(t, err)
	s.ship("007_idempotency", string(good), "drop table core_idempotency")
	stop := s.visit(names...)
	said := s.tenantctl("", "upgrade", "--all", "--yes")
	for name, answered := range stop() {
		require.Equal(t, map[int]int{http.StatusOK: answered[http.StatusOK]}, answered, name)
	}
	require.Contains(t, said, "done")
	require.Equal(t, map[string]string{"acme": "7", "beta": "7", "gamma": "7"}, s.at(names...))
}
