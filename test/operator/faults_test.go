package operator

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// PostgreSQL is restarted under two operators, by SIGQUIT, while they have work: both go on, and what was declared meanwhile is done once.
func TestTheServerIsRestarted(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, map[string]string{"synchronous_commit": "on"}, localtest.ServerOptions{})
	prefix := localtest.PrefixOn(t, server)
	s := setup(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server}))
	s.prefix = prefix
	s.declare("  a: {}\n")
	s.start()
	s.start()
	s.becomes("a", provisioned)
	s.declare("  a: {}\n" + many(10))
	require.NoError(t, server.Kill(t.Context()))
	require.NoError(t, server.Start(t.Context()))
	s.becomes("11", `select count(*) from tenantctl.tenant where state = 'active'`)
	s.settle(patience)
	s.becomes("11 11", `select count(*) || ' ' || count(distinct tenant) from tenantctl.event where type = 'tenant.provisioned'`)
	s.becomes("2", `select count(*) from tenantctl_operator.replica where heartbeat > now() - interval '3 s'`)
}

const provisioned = `select string_agg(tenant, ' ' order by tenant) from tenantctl.event where type = 'tenant.provisioned'`

func many(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "  t-%d: {}\n", i)
	}
	return text.String()
}

// A file that is written in place, and lies there cut off in the middle of a line for a while, takes nobody out of service.
func TestTheFileIsTruncated(t *testing.T) {
	t.Parallel()
	s := setup(t, localtest.Database(t))
	s.declare("  a: {}\n  b: {}\n  c: {}\n")
	s.start()
	s.becomes("a b c", provisioned)
	whole := s.head() + "  a: {}\n  b: { limits: { jobs: 7 } }\n  c: {}\n"
	cut := whole[:strings.Index(whole, " jobs: 7")]
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(cut), 0o600))
	s.becomes("1", `select count(*) from tenantctl.event where type = 'operator.file_broken'`)
	s.becomes("3", `select count(*) from tenantctl.tenant where state = 'active'`)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(whole), 0o600))
	s.becomes("7", `select limits ->> 'jobs' from tenantctl.tenant where name = 'b'`)
	// It may have been read when c, or b and c, weren't there yet: that would have been held, and nothing was suspended.
	s.becomes("0", `select count(*) from tenantctl.event where type = 'tenant.state_changed' and message ~ 'suspended'`)
}

// The replica that runs a rollout is killed in the middle of it; another one ends it, as the same rollout.
func TestARolloutIsTakenOver(t *testing.T) {
	t.Parallel()
	s := setup(t, localtest.Database(t))
	s.declare(many(6))
	s.start()
	s.start()
	s.becomes("6", `select count(*) from tenantctl.tenant where state = 'active' and versions -> 'notes' ->> 'number' = '1'`)
	s.ship("2_slow", "alter table note add body text; select pg_sleep(0.4);\n")
	s.becomes("true", `select count(*) > 0 from tenantctl_upgrade.member where result = 'upgraded'`)
	runner := s.runner()
	s.kill(runner)
	s.becomes("6", `select count(*) from tenantctl.tenant where versions -> 'notes' ->> 'number' = '2'`)
	s.becomes("1 done", `select count(*) || ' ' || max(state) from tenantctl_upgrade.rollout`)
	s.becomes("1", `select count(*) from tenantctl.event where type = 'rollout.completed'`)
	s.settle(patience)
}

// What a person took back isn't brought again, neither by itself nor along with something else, and new tenants don't get it; what
// was never taken back goes out, and so does the version after.
func TestWhatWasTakenBackStaysSo(t *testing.T) {
	t.Parallel()
	s := setup(t, localtest.Database(t))
	s.more = ", tags: { migrations: ./tags }"
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "tags"), 0o700))
	s.write("tags/1_tag.up.sql", "create table tag (id int primary key);\n")
	s.declare(many(3))
	s.start()
	stand := func(want string) {
		t.Helper()
		s.becomes(want, `select string_agg(distinct (versions -> 'notes' ->> 'number') || ' ' || (versions -> 'tags' ->> 'number'), ', ') from tenantctl.tenant`)
	}
	stand("1 1")
	s.settle(patience)
	s.run("pause", "--all", "--reason", "a try by hand")
	s.write("notes/2_body.up.sql", "alter table note add body text;\n")
	s.write("notes/2_body.down.sql", "alter table note drop body;\n")
	s.run("upgrade", "--all", "--service", "notes", "--yes")
	stand("2 1")
	s.run("upgrade", "--rollback", "r1", "--yes")
	s.run("unpause", "--all")
	s.becomes("notes 2 isn't brought again, since rollout r1 is rolled-back: refused", `select message from tenantctl_operator.task where task = 'rollout' and result = 'refused'`)
	s.write("tags/2_text.up.sql", "alter table tag add text text;\n")
	stand("1 2")
	s.becomes("notes 2 isn't brought again, since rollout r1 is rolled-back: refused", `select message from tenantctl_operator.task where task = 'rollout' and result = 'refused'`)
	s.declare(many(4))
	s.becomes("4", `select count(*) from tenantctl.tenant where state = 'active' and versions -> 'notes' ->> 'number' = '1' and versions -> 'tags' ->> 'number' = '2'`)
	s.ship("3_at", "alter table note add at timestamptz;\n")
	stand("3 2")
	s.settle(patience)
}

// run runs the program once.
func (s *scene) run(args ...string) {
	s.t.Helper()
	out, err := s.program(args...).CombinedOutput()
	require.NoError(s.t, err, string(out))
}

// runner is the replica that has the rollout's job.
func (s *scene) runner() *exec.Cmd {
	s.t.Helper()
	holder := s.ask(`select r.holder from tenantctl_river.river_job j join tenantctl_operator.replica r on r.id = j.attempted_by[array_upper(j.attempted_by, 1)]
		where j.state = 'running' and j.args ->> 'task' = 'rollout'`)
	for _, p := range s.running {
		if strings.HasSuffix(holder, fmt.Sprintf(" pid %d", p.Process.Pid)) {
			return p
		}
	}
	require.Fail(s.t, "nobody runs the rollout", holder)
	return nil
}
