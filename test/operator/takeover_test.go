package operator

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

const patience = 40 * time.Second

// The replica that leads is killed; the other one makes true what is declared next, within seconds.
func TestALeaderIsKilled(t *testing.T) {
	t.Parallel()
	s := setup(t, localtest.Database(t))
	s.declare("  a: {}\n")
	s.start()
	s.start()
	s.becomes("2", `select count(*) from tenantctl_operator.replica where heartbeat > now() - interval '3 s'`)
	s.becomes("1", `select count(*) from tenantctl_operator.task where tenant = 'a' and result = 'settled'`)
	leader := s.leader()
	s.kill(leader)
	began := time.Now()
	s.declare("  a: {}\n  b: {}\n")
	s.becomes("b active", `select string_agg(name || ' ' || state, ', ') from tenantctl.tenant where name = 'b'`)
	took := time.Since(began)
	t.Logf("done %s after the leader's death", took.Round(10*time.Millisecond))
	s.settle(patience)
	s.becomes("1", `select count(*) from tenantctl.event where tenant = 'b' and type = 'tenant.provisioned'`)
}

// leader is the replica that leads.
func (s *scene) leader() *exec.Cmd {
	s.t.Helper()
	var found *exec.Cmd
	require.Eventually(s.t, func() bool {
		holder := s.ask(`select coalesce(max(holder), '') from tenantctl_operator.replica where leads and heartbeat > now() - interval '3 s'`)
		for _, p := range s.running {
			if strings.HasSuffix(holder, fmt.Sprintf(" pid %d", p.Process.Pid)) {
				found = p
			}
		}
		return found != nil
	}, patience, 50*time.Millisecond, "a leader")
	return found
}

// becomes waits until the control database gives an answer. It may be away meanwhile.
func (s *scene) becomes(want, sql string) {
	s.t.Helper()
	got := ""
	for end := time.Now().Add(patience); got != want && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		got = s.ask(sql)
	}
	if got != want {
		log, _ := os.ReadFile(s.log.Name())
		require.Equal(s.t, want, got, "%s\n%s", sql, log)
	}
}

// ask gives the one value of a query as text; what went wrong where there is none.
func (s *scene) ask(sql string) (got string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.control)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, "select ("+sql+")::text").Scan(&got); err != nil {
		return err.Error()
	}
	return got
}
