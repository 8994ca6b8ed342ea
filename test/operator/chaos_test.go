// Package operator kills operators at random while the file that they follow changes, and wants fleet and file to agree in the end.
package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli"
	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operator"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// asProgram makes the test's binary the program itself.
const asProgram = "TENANTCTL_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()...))
	}
	localtest.Main(m)
}

const secret = "a-secret-of-enough-characters"

// chaos is how much of it there is.
type chaos struct {
	tenants, replicas int
	lasts             time.Duration
	kill              time.Duration // between kills
	settles           time.Duration // patience at the end
}

func TestOperatorsAreKilled(t *testing.T) {
	t.Parallel()
	chaos{tenants: 12, replicas: 3, lasts: 7 * time.Second, kill: 1500 * time.Millisecond, settles: time.Minute}.run(t)
}

type scene struct {
	t        *testing.T
	dir      string
	control  string
	prefix   string
	hook     string
	secret   string
	more     string   // services
	broker   string   // the file's section, or nothing
	env      []string // of programs
	log      *os.File
	declared string // what tenants.yaml holds
	running  []*exec.Cmd

	mu      sync.Mutex
	got     []int64                 // ids of the events that came, repeats left out
	streams map[tenant.Name][]int64 // by tenant, first arrivals
	seen    map[int64]bool
	flaky   *rand.Rand

	maxAge time.Duration // of a webhook's signature

	described func(event []byte) error // nil where docs/events.schema.json has it
}

// setup makes a control database, a folder with a service of one table, and a webhook. Nothing runs yet.
func setup(t *testing.T, control string) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), control: control, maxAge: time.Minute, described: fleet.EventSchema(t), prefix: localtest.Prefix(t), streams: map[tenant.Name][]int64{}, seen: map[int64]bool{}, flaky: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // chances
	hook := httptest.NewServer(http.HandlerFunc(s.take))
	t.Cleanup(hook.Close)
	s.hook, s.secret = hook.URL, filepath.Join(s.dir, "secret")
	require.NoError(t, os.WriteFile(s.secret, []byte(secret), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "notes"), 0o700))
	s.ship("1_note", "create table note (id int primary key);\n")
	var err error
	s.log, err = os.Create(filepath.Join(s.dir, "log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, p := range s.running {
			s.end(p, os.Kill)
		}
		_ = s.log.Close()
	})
	return s
}

// ship adds a version to the service.
func (s *scene) ship(name, sql string) {
	s.t.Helper()
	s.write("notes/"+name+".up.sql", sql)
}

func (s *scene) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

func (c chaos) run(t *testing.T) {
	s := setup(t, localtest.Database(t))
	s.declare(c.random())
	for range c.replicas {
		s.start("--removal-share", "100")
	}
	kills := 0
	nextKill := time.Now().Add(2 * c.kill)                                                                                         // the first ones may begin
	for end := time.Now().Add(c.lasts); time.Now().Before(end); time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond) { //nolint:gosec // chances
		s.declare(c.random())
		if time.Now().After(nextKill) {
			s.kill(s.running[rand.IntN(c.replicas)]) //nolint:gosec // chances
			s.start("--removal-share", "100")
			kills++
			nextKill = time.Now().Add(c.kill)
		}
	}
	began := time.Now()
	s.settle(c.settles)
	t.Logf("%d kills; agreed after %s", kills, time.Since(began).Round(time.Millisecond))
	s.allDelivered(c.settles)
	for _, p := range s.running {
		s.end(p, os.Interrupt)
	}
	s.running = nil
}

// random are tenants whose states and limits are of chance, some of them left out.
func (c chaos) random() string {
	var text strings.Builder
	for i := range c.tenants {
		if i > 0 && rand.IntN(8) == 0 { //nolint:gosec // chances
			continue
		}
		state := []string{"active", "active", "suspended"}[rand.IntN(3)]                              //nolint:gosec // chances
		fmt.Fprintf(&text, "  t-%d: { state: %s, limits: { jobs: %d } }\n", i, state, 1+rand.IntN(9)) //nolint:gosec // chances
	}
	return text.String()
}

// declare puts another file in the place of the one before.
func (s *scene) declare(tenants string) {
	s.t.Helper()
	next := filepath.Join(s.dir, "next")
	s.declared = s.head() + tenants
	require.NoError(s.t, os.WriteFile(next, []byte(s.declared), 0o600))
	require.NoError(s.t, os.Rename(next, filepath.Join(s.dir, "tenants.yaml")))
}

func (s *scene) head() string {
	return fmt.Sprintf("version: 1\ninstances: { shared-1: { dsn: '${DSN}', rolePrefix: %s } }\nservices: { notes: { migrations: ./notes }%s }\n%stenants:\n", s.prefix, s.more, s.broker)
}

func (s *scene) start(flags ...string) *exec.Cmd {
	p := s.program(append([]string{"operator", "--heal", "2s", "--resync", "2s", "--webhook", s.hook, "--webhook-secret-file", s.secret}, flags...)...)
	p.Stdout, p.Stderr = s.log, s.log
	require.NoError(s.t, p.Start())
	s.running = append(s.running, p)
	return p
}

func (s *scene) program(args ...string) *exec.Cmd {
	p := exec.Command(os.Args[0], args...)
	p.Dir = s.dir
	p.Env = append(os.Environ(), asProgram+"=1", "DSN="+s.control, "XDG_STATE_HOME="+s.dir, "HOME="+s.dir)
	p.Env = append(p.Env, s.env...)
	return p
}

// kill ends a replica by SIGKILL.
func (s *scene) kill(p *exec.Cmd) {
	s.end(p, os.Kill)
	s.running = slices.DeleteFunc(s.running, func(other *exec.Cmd) bool { return other == p })
}

func (s *scene) end(p *exec.Cmd, signal os.Signal) {
	_ = p.Process.Signal(signal) // it may have ended
	_ = p.Wait()                 // by the signal
}

// settle waits until nothing is left to do: records and, says the program's own plan, the instance agree with the file. A tenant
// is recorded before it is made, so the records alone don't tell.
func (s *scene) settle(patience time.Duration) {
	file, err := config.Load(filepath.Join(s.dir, "tenants.yaml"))
	require.NoError(s.t, err)
	records, err := registry.Open(context.Background(), s.control)
	require.NoError(s.t, err)
	defer records.Close()
	var open string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if open = s.open(file, records); open != "" {
			continue
		}
		out, err := s.program("plan", "--detailed-exitcode").CombinedOutput()
		if err == nil {
			return
		}
		open = string(out)
	}
	log, _ := os.ReadFile(s.log.Name())
	require.Fail(s.t, "not as declared", "%s\n%s", open, log)
}

// open is what the records have otherwise than the file.
func (s *scene) open(file *config.File, records *registry.Registry) string {
	statuses, err := records.Statuses(context.Background(), registry.StatusFilter{})
	require.NoError(s.t, err)
	fleet, err := reconcile.Fleet(file, statuses)
	require.NoError(s.t, err)
	var open strings.Builder
	for _, tenant := range fleet {
		if plan := reconcile.Decide(tenant, reconcile.Seen{}); tenant.Declared && plan.Pending() {
			fmt.Fprintf(&open, "%s: %v\n", plan.Tenant, plan.Actions)
		}
	}
	return open.String()
}

// take is the webhook. It fails at times, and notes what came first.
func (s *scene) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flaky.IntN(50) == 0 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if !operator.Verify([]byte(secret), r.Header.Get(operator.SignatureHeader), body, time.Now(), s.maxAge) {
		http.Error(w, "whose is this?", http.StatusForbidden)
		return
	}
	if err := s.described(body); err != nil {
		s.t.Error(err)
	}
	var e operator.CloudEvent
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&e); err != nil {
		http.Error(w, "what is this?", http.StatusBadRequest)
		return
	}
	id, _ := strconv.ParseInt(e.ID, 10, 64)
	if !s.seen[id] {
		s.seen[id] = true
		s.got = append(s.got, id)
		s.streams[tenant.Name(e.Subject)] = append(s.streams[tenant.Name(e.Subject)], id)
	}
}

// allDelivered wants every event from the first that came to the newest, each tenant's in order.
func (s *scene) allDelivered(patience time.Duration) {
	ctx := context.Background()
	records, err := registry.Open(ctx, s.control)
	require.NoError(s.t, err)
	defer records.Close()
	newest, err := records.Events(ctx, 0, registry.EventFilter{Limit: 1, Newest: true})
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.seen[newest[0].ID]
	}, patience, 50*time.Millisecond, "the newest event")
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := records.Events(ctx, slices.Min(s.got)-1, registry.EventFilter{Limit: 1 << 20})
	require.NoError(s.t, err)
	for _, e := range all {
		require.True(s.t, s.seen[e.ID] || e.ID > newest[0].ID, "event %d %s of %s never came", e.ID, e.Type, e.Tenant)
	}
	for name, ids := range s.streams {
		require.True(s.t, slices.IsSorted(ids), "events of %q came out of order: %v", name, ids)
	}
	s.t.Logf("%d events", len(s.got))
}
