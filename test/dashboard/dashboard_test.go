// Package dashboard drives the real program in a real terminal, tmux, over a fleet of 500 tenants on real servers.
package dashboard

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

var pictures = flag.String("pictures", "", "write what the terminal shows as pictures into this folder")

// scene is a fleet of 500 tenants, one of which is to be moved, and a terminal.
type scene struct {
	t        *testing.T
	dir      string
	env      []string
	control  string
	instance string
	socket   string
	keys     int // pressed so far
	tours    int // so far
}

const (
	columns = 110
	rows    = 30
	trouble = "client-247"
)

// bare is a folder of its own with a legacy database, and nothing declared.
func bare(t *testing.T) (s *scene, legacy string) {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: scripts/setup.sh installs it")
	}
	s = &scene{t: t, dir: localtest.Folder(t), control: localtest.Database(t), instance: localtest.Database(t)}
	legacy = localtest.Database(t)
	for _, folder := range []string{"tmp", "state"} {
		require.NoError(t, os.Mkdir(filepath.Join(s.dir, folder), 0o755)) //nolint:gosec // the servers' user passes through
	}
	localtest.ShareTemplates(t, filepath.Join(s.dir, "state"), s.dir)
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_STATE_HOME=" + filepath.Join(s.dir, "state"), "TMPDIR=" + filepath.Join(s.dir, "tmp"), "TZ=UTC", "LC_ALL=C.UTF-8",
		"CONTROL_DSN=" + s.control, "SHARED_1_DSN=" + s.instance, "LEGACY_DSN=" + legacy,
	}
	return s, legacy
}

// newScene is a fleet of 500 of which one is to be moved.
func newScene(t *testing.T) *scene {
	t.Helper()
	s, legacy := bare(t)
	s.exec(legacy, `create table orders as select i as id, 'customer ' || i as name, repeat('x', 200) as note from generate_series(1, 60000) as i;
		alter table orders add primary key (id);
		create table customers as select i as id, 'customer ' || i as name from generate_series(1, 5000) as i`)
	s.declare()
	s.run("provision", "client-001") // sets the records up
	s.fill()
	t.Cleanup(func() { s.run("local", "down") })
	return s
}

// declare writes tenants.yaml for 500 tenants.
func (s *scene) declare() {
	var file strings.Builder
	fmt.Fprintf(&file, "version: 1\ncontrol: { dsn: \"${CONTROL_DSN}\" }\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\n", localtest.Prefix(s.t))
	file.WriteString("rollout: { rings: [ { name: canary }, { name: general } ] }\ntenants:\n")
	for i := 1; i <= 500; i++ {
		name := fmt.Sprintf("client-%03d", i)
		switch {
		case name == trouble:
			fmt.Fprintf(&file, "  %s: { services: [], legacy: { dsn: \"${LEGACY_DSN}\" } }\n", name)
		case i%20 == 0:
			fmt.Fprintf(&file, "  %s: { ring: canary }\n", name)
		default:
			fmt.Fprintf(&file, "  %s: {}\n", name)
		}
	}
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(file.String()), 0o600))
}

// fill records the tenants that the story isn't about.
func (s *scene) fill() {
	s.exec(s.control, `
		insert into tenantctl.tenant (name, instance, schema, ring, services, versions, limits)
		select name, 'shared-1', 'tenant_' || replace(name, '-', '_'), case when i % 20 = 0 then 'canary' else 'general' end, '{auth,core}',
			jsonb_build_object('auth', '{"number": 3}'::jsonb, 'core', jsonb_build_object('number', case when i % 20 = 0 then 6 else 5 end)),
			'{"statementTimeout":30000000000,"requestsPerSecond":200,"jobs":4,"weight":1}'
		from (select i, 'client-' || to_char(i, 'FM000') as name from generate_series(2, 500) as i) as f where name <> '`+trouble+`';
		insert into tenantctl.route (tenant, target, epoch, actor) select name, 'platform', 1000 + row_number() over (), 'test' from tenantctl.tenant on conflict do nothing;
		update tenantctl.tenant set state = 'suspended' where name in ('client-040', 'client-041')`)
}

func (s *scene) exec(dsn, sql string) {
	s.t.Helper()
	conn, err := postgres.Connect(s.t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	_, err = conn.Exec(s.t.Context(), sql)
	require.NoError(s.t, err)
}

func (s *scene) ask(dsn, sql string) (answer string) {
	s.t.Helper()
	conn, err := postgres.Connect(s.t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	err = conn.QueryRow(s.t.Context(), sql).Scan(&answer)
	if err != pgx.ErrNoRows { //nolint:errorlint // the value itself
		require.NoError(s.t, err)
	}
	return answer
}

func (s *scene) command(args ...string) *exec.Cmd {
	cmd := exec.Command(localtest.Program(s.t, ""), args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *scene) run(args ...string) {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// breakMove has somebody add a constraint by hand in the middle of the copy, which no row of the client's meets.
func (s *scene) breakMove() {
	s.t.Helper()
	move := s.command("migrate", trouble, "--yes", "--max-rate", "2MB", "--chunk-size", "1MB", "--progress", "none")
	var said strings.Builder
	move.Stdout, move.Stderr = &said, &said
	require.NoError(s.t, move.Start())
	require.Eventually(s.t, func() bool {
		return s.ask(s.control, `select coalesce((progress->>'rows')::bigint > 0, false)::text from tenantctl.operation where phase = 'copy'`) == "true"
	}, time.Minute, 50*time.Millisecond)
	s.exec(s.instance, `alter table tenant_client_247.orders add constraint by_hand check (id < 0) not valid`)
	require.Error(s.t, move.Wait(), said.String())
}

// mend takes it away again.
func (s *scene) mend() {
	s.exec(s.instance, `alter table tenant_client_247.orders drop constraint by_hand`)
}

// open starts a shell in a terminal.
func (s *scene) open() {
	s.t.Helper()
	s.socket = filepath.Join(s.dir, "tmux")
	args := append([]string{"-S", s.socket, "-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows)}, "/bin/sh")
	cmd := exec.Command("tmux", args...)
	cmd.Dir, cmd.Env = s.dir, append(s.env, "PS1=$ ", "TERM=xterm-256color", "ENV=")
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	s.t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	s.tmux("set-option", "-g", "default-terminal", "tmux-256color")
}

func (s *scene) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

// press presses keys of the dashboard, and counts them.
func (s *scene) press(keys ...string) {
	s.t.Helper()
	s.keys += len(keys)
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// types types a line at the shell.
func (s *scene) types(line string) { s.tmux("send-keys", line, "Enter") }

// shows waits until the screen has some texts.
func (s *scene) shows(texts ...string) {
	s.t.Helper()
	var screen string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		screen = s.tmux("capture-pane", "-p")
		missing := 0
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	s.t.Fatalf("the screen doesn't show %q:\n%s", texts, screen)
}

// picture keeps what the screen shows, where pictures are asked for.
func (s *scene) picture(name string) {
	s.t.Helper()
	if *pictures == "" {
		return
	}
	require.NoError(s.t, os.WriteFile(filepath.Join(*pictures, name+".svg"), []byte(svg(s.tmux("capture-pane", "-p", "-e"), columns, rows)), 0o600))
}

// TestTroubleIsFoundAndEnded is a morning's work: of 500 tenants one can't write. It is found, the reason is seen, the move is
// brought to its end, and the tenant is on the platform, in three keys. The dashboard is suspended and left, and the shell has
// its terminal as it was.
func TestTroubleIsFoundAndEnded(t *testing.T) {
	s := newScene(t)
	s.breakMove()
	s.open()
	s.types(localtest.Program(t, "") + " dashboard")
	s.shows("500 tenants", "1 can't write", "▸ X "+trouble, "migrate failed at copy")
	s.picture("fleet")
	s.press("Enter")
	s.shows("move of "+trouble, "writes to its legacy database are BLOCKED", "by_hand", "next   a person decides", "✗ copy")
	s.picture("move-failed")
	s.mend()
	s.press("M")
	s.shows("migrate "+trouble+"?", "$ tenantctl migrate "+trouble, "y do it")
	s.picture("plan")
	s.press("y")
	s.shows("move done", "equal: every row arrived as it was sent: 65,000 rows in 2 tables", "✓ cutover")
	s.picture("move-done")
	require.Equal(t, 3, s.keys)
	require.Equal(t, "platform", s.ask(s.control, "select target from tenantctl.route where tenant = '"+trouble+"'"))
	require.Equal(t, "60000", s.ask(s.instance, "select count(*)::text from tenant_client_247.orders"))
	s.press("5")
	s.shows("migrate "+trouble, "done in", "lives on the platform now")
	s.press("1")
	s.shows("500 tenants")
	require.NotContains(t, s.tmux("capture-pane", "-p"), "can't write")

	s.press("C-z")
	s.shows("Stopped")
	require.Equal(t, "0", strings.TrimSpace(s.tmux("display-message", "-p", "#{alternate_on}")), "suspended, the shell has its screen")
	s.types("fg; stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | xargs echo settings:")
	s.shows("500 tenants", "● live")
	s.press("q")
	s.shows("settings: icanon echo")
}
