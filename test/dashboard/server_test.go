package dashboard

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// operated is a small fleet that an operator keeps, one of whose tenants has a move that was told to stop before its fence.
func operated(t *testing.T) (s *scene, server string) {
	t.Helper()
	s, legacy := bare(t)
	s.exec(legacy, `create table orders as select i as id, 'customer ' || i as name from generate_series(1, 500) as i; alter table orders add primary key (id)`)
	file := fmt.Sprintf("version: 1\ncontrol: { dsn: \"${CONTROL_DSN}\" }\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\n"+
		"tenants:\n  client-a: {}\n  client-b: {}\n  client-x: { services: [], legacy: { dsn: \"${LEGACY_DSN}\" } }\n", localtest.Prefix(t))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(file), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "token"), []byte("a-token-of-enough-characters\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "elsewhere"), 0o700))
	s.run("provision", "client-a")
	s.run("migrate", "client-x", "--yes", "--stop-before", "fence", "--progress", "none")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	return s, free.Addr().String()
}

// operate starts an operator; what is returned ends it.
func (s *scene) operate(listen string) (end func()) {
	s.t.Helper()
	operator := s.command("operator", "--listen", listen, "--token-file", "token")
	log, err := os.Create(filepath.Join(s.dir, "operator.log"))
	require.NoError(s.t, err)
	operator.Stdout, operator.Stderr = log, log
	require.NoError(s.t, operator.Start())
	end = func() {
		_ = operator.Process.Signal(os.Interrupt) // it may have ended
		_ = operator.Wait()                       // by the signal
		_ = log.Close()
	}
	s.t.Cleanup(end)
	return end
}

// does presses an action's key, sees its plan and agrees.
func (s *scene) does(key string, plan ...string) {
	s.t.Helper()
	s.press(key)
	s.shows(append(plan, "y do it")...)
	s.press("y")
}

// tour goes through the pages of a dashboard and leaves it. It keeps what each shows, but for the first line, which names the source, and
// for how long ago something was.
func (s *scene) tour(line string) map[string]string {
	s.t.Helper()
	ages := regexp.MustCompile(`\b[0-9]+(\.[0-9])? ?(ms|s|m|h|min)\b`)
	frames := map[string]string{}
	keep := func(page string, shows ...string) {
		s.t.Helper()
		s.shows(append(shows, "● live")...)
		_, frame, _ := strings.Cut(s.tmux("capture-pane", "-p"), "\n")
		frames[page] = strings.Join(strings.Fields(ages.ReplaceAllString(frame, "AGE")), " ")
	}
	s.tours++ // what an earlier tour left on the screen is seen for a moment before the dashboard has ended
	s.types(fmt.Sprintf("%s; clear; echo toured $((%d+0)) times", line, s.tours))
	keep("fleet", "3 tenants", "migrate stopped")
	s.types(":tenant client-x")
	keep("tenant", "fleet › client-x", "migrate stopped after")
	s.press("m")
	keep("move", "move stopped after", "· fence")
	s.press("2")
	keep("rollouts", "no rollout")
	s.press("3")
	keep("services", "nothing of the platform runs", "no queue")
	s.press("4")
	keep("events", "migrate stopped: before fence")
	s.press("6")
	keep("logs", "› logs", "operator runs")
	s.press("q")
	s.shows(fmt.Sprintf("toured %d times", s.tours))
	return frames
}

func (s *scene) becomes(want, sql string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.ask(s.control, sql) == want }, 30*time.Second, 50*time.Millisecond, "%s: %s", sql, want)
}

// dashboard is the process that runs in the terminal.
func (s *scene) dashboard() string {
	s.t.Helper()
	shell := strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_pid}"))
	children, err := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children")
	require.NoError(s.t, err)
	return strings.TrimSpace(string(children))
}

// TestAFleetIsSeenThroughItsOperator sees and drives a fleet by its operator's API: one tenant is suspended and given its service back,
// a move that was stopped is tried again and ends on the platform. The operator goes away and comes back meanwhile. Where there is
// no tenants.yaml, everything is seen and nothing can be done, and the reason is told.
func TestAFleetIsSeenThroughItsOperator(t *testing.T) {
	t.Parallel()
	s, listen := operated(t)
	end := s.operate(listen)
	s.becomes("active", `select state from tenantctl.tenant where name = 'client-b'`)
	s.open()
	beside := s.tour(localtest.Program(t, "") + " dashboard")
	line := localtest.Program(t, "") + " dashboard --server http://" + listen + " --token-file "
	require.Equal(t, beside, s.tour(line+"token"), "each page, whomever it is asked of")
	s.types(line + "token; echo it was left with $?")
	s.shows("3 tenants", "● live operator at http://"+listen, "migrate stopped")

	s.types(":tenant client-b")
	s.shows("fleet › client-b")
	s.does("S", "suspend client-b?", "$ tenantctl suspend client-b")
	s.becomes("suspended", `select state from tenantctl.tenant where name = 'client-b'`)
	s.shows("state=suspended")
	s.does("R", "resume client-b?", "$ tenantctl resume client-b")
	s.becomes("active", `select state from tenantctl.tenant where name = 'client-b'`)
	s.types(":tenant client-x")
	s.shows("fleet › client-b › client-x")
	s.does("T", "retry client-x?", "$ tenantctl migrate client-x")
	s.becomes("platform", `select target from tenantctl.route where tenant = 'client-x'`)
	s.types(":move client-x")
	s.shows("move done", "equal: every row arrived as it was sent")

	end()
	s.shows("! operator at http://"+listen+" is away", "trying again", "move done")
	s.operate(listen)
	s.shows("● live operator", "answers again")
	s.press("q")
	s.shows("it was left with 0")
	s.types("cd elsewhere")
	s.types(line + "../token")
	s.shows("3 tenants", "● live operator", "read only")
	s.press("S")
	s.shows("suspend: what is done here needs tenants.yaml and its control database")

	process := s.dashboard()
	require.NoError(t, exec.Command("kill", "-TSTP", process).Run())
	require.NoError(t, exec.Command("kill", "-STOP", process).Run())
	s.shows("Stopped")
	s.tmux("send-keys", "stty sane; fg; echo it ended with $?; stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | xargs echo settings:", "C-j") // Enter is no end of a line yet
	s.shows("3 tenants", "● live operator")
	s.press("2")
	s.shows("fleet › rollouts") // it hears keys
	require.NoError(t, exec.Command("kill", "-TERM", process).Run())
	s.shows("it ended with 130", "settings: icanon echo")
	require.Equal(t, "0", strings.TrimSpace(s.tmux("display-message", "-p", "#{alternate_on}")), "the shell has its screen")
}
