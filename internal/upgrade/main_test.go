package upgrade_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const service = "shop"

// files are a stream's: name without ending, and the ways up and down.
type files [][3]string

func base() files {
	return files{{"001_base", "create table customers (id int primary key, name text, email text)", "drop table customers"}}
}

func (f files) and(name, up, down string) files {
	return append(slices.Clone(f), [3]string{name, up, down})
}

func (f files) stream(t *testing.T) *stream.Stream {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, file := range f {
		fsys[file[0]+".up.sql"] = &fstest.MapFile{Data: []byte(file[1])}
		if file[2] != "" {
			fsys[file[0]+".down.sql"] = &fstest.MapFile{Data: []byte(file[2])}
		}
	}
	s, err := stream.Read(service, fsys)
	require.NoError(t, err)
	return s
}

// bundle is a fleet on an instance of its own.
type bundle struct {
	ctx     context.Context
	dsn     string
	prefix  string
	records *registry.Registry
	store   *upgrade.Store
	root    *pgx.Conn
	seen    *observer
	rollout config.Rollout
	gates   []upgrade.Gate
	pace    upgrade.Patience
}

// setup provisions tenants t01, t02 ... of ring general with the first files.
func setup(t *testing.T, f files, tenants int) *bundle {
	t.Helper()
	b := &bundle{ctx: t.Context(), prefix: localtest.Prefix(t), seen: &observer{}}
	b.dsn = localtest.Database(t)
	var err error
	b.records, err = registry.Open(b.ctx, b.dsn)
	require.NoError(t, err)
	t.Cleanup(b.records.Close)
	b.store, err = upgrade.OpenStore(b.ctx, b.records.Pool())
	require.NoError(t, err)
	b.root = b.connect(t)
	b.rollout = config.Rollout{
		Rings:  []config.Ring{{Name: "canary", Parallel: 1, Waves: []config.Percent{100}}, {Name: "general", Parallel: 4, Waves: []config.Percent{10, 50, 100}}},
		Budget: config.Budget{Failures: 3, Percent: 100},
	}
	b.pace = upgrade.Patience{
		FirstLock: 20 * time.Millisecond, LongestLock: 50 * time.Millisecond, Attempts: 3, Pause: time.Millisecond, LongestPause: 5 * time.Millisecond,
		Statement: time.Minute, Concurrent: 200 * time.Millisecond,
	}
	names := make([]tenant.Name, tenants)
	for i := range names {
		names[i] = tenant.Name(fmt.Sprintf("t%02d", i+1))
	}
	b.provision(t, f, "general", names...)
	return b
}

func (b *bundle) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(b.ctx, b.dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bundle) provisioner(t *testing.T, f files) *provision.Provisioner {
	t.Helper()
	p, err := provision.Open(b.ctx, provision.Options{
		Instance: "shared-1", DSN: b.dsn, RolePrefix: b.prefix, Control: b.prefix + "ctl", Streams: []*stream.Stream{f.stream(t)},
		CredentialsDir: t.TempDir(), ArchiveDir: t.TempDir(), Records: b.records, Actor: "test",
	})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func (b *bundle) provision(t *testing.T, f files, ring string, names ...tenant.Name) {
	t.Helper()
	p := b.provisioner(t, f)

	specs := make([]tenant.Spec, len(names))
	for i, name := range names {
		specs[i] = spec(name, ring)
	}
	_, err := p.ProvisionAll(b.ctx, specs, nil)
	require.NoError(t, err)
}

func spec(name tenant.Name, ring string) tenant.Spec {
	return tenant.Spec{Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), Ring: ring, State: tenant.Active, Services: []string{service}}
}

// upgrader is a process that works with some files.
func (b *bundle) upgrader(t *testing.T, f files) *upgrade.Upgrader {
	t.Helper()
	s := f.stream(t)
	p := b.provisioner(t, f)
	return upgrade.New(upgrade.Config{
		Registry: b.records, Store: b.store, Streams: []*stream.Stream{s}, Targets: []upgrade.Target{{Service: service, Version: s.Newest()}},
		Members: b.members, Rollout: b.rollout, Gates: b.gates, Patience: b.pace, Observer: b.seen, Actor: "test",
		Instance: func(context.Context, string) (upgrade.Instance, error) {
			return upgrade.Instance{Name: "shared-1", DSN: b.dsn, Prepare: p.Prepare, Hands: func(m upgrade.Member, service string) (upgrade.Hands, error) {
				hands, err := p.Hands(spec(m.Tenant, m.Ring), service)
				return upgrade.Hands(hands), err
			}}, nil
		},
	})
}

func (b *bundle) members(ctx context.Context) ([]upgrade.Member, error) {
	statuses, err := b.records.Statuses(ctx, registry.StatusFilter{})
	if err != nil {
		return nil, err
	}
	var members []upgrade.Member
	for _, s := range statuses {
		m := upgrade.Member{Tenant: s.Name, Instance: s.Instance, Schema: s.Schema, Ring: s.Ring, State: s.State, Services: s.Services}
		if s.Operation != nil {
			m.Busy = s.Operation.Kind
		}
		members = append(members, m)
	}
	return members, nil
}

// begin plans and records a rollout of the whole fleet.
func (b *bundle) begin(t *testing.T, u *upgrade.Upgrader) upgrade.Rollout {
	t.Helper()
	members, err := b.members(b.ctx)
	require.NoError(t, err)
	p, err := u.Plan(b.ctx, members)
	require.NoError(t, err)
	r, err := u.Begin(b.ctx, p, upgrade.BeginOptions{Whole: true})
	require.NoError(t, err)
	return r
}

// upgrade begins a rollout and runs it.
func (b *bundle) upgrade(t *testing.T, f files) (upgrade.Report, error) {
	t.Helper()
	u := b.upgrader(t, f)
	return u.Run(b.ctx, b.begin(t, u).ID)
}

func (b *bundle) exec(t *testing.T, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(b.ctx, b.root, sql))
}

func (b *bundle) text(t *testing.T, sql string) string {
	t.Helper()
	var text string
	require.NoError(t, b.root.QueryRow(b.ctx, sql).Scan(&text))
	return text
}

// versions are the versions of all tenants that differ, such as "1: t03; 2: t01 t02".
func (b *bundle) versions(t *testing.T) string {
	t.Helper()
	members, err := b.members(b.ctx)
	require.NoError(t, err)
	by := map[string][]string{}
	for _, m := range members {
		version := b.text(t, fmt.Sprintf(`select coalesce((select version || case when dirty then ' dirty' else '' end from %s.schema_migrations_shop), 'none')`, m.Schema))
		by[version] = append(by[version], string(m.Tenant))
	}
	var parts []string
	for _, version := range slices.Sorted(func(yield func(string) bool) {
		for v := range by {
			if !yield(v) {
				return
			}
		}
	}) {
		parts = append(parts, version+": "+strings.Join(by[version], " "))
	}
	return strings.Join(parts, "; ")
}

// results counts a report's tenants.
func results(r upgrade.Report) map[upgrade.Result]int {
	counts := map[upgrade.Result]int{}
	for _, o := range r.Tenants {
		counts[o.Result]++
	}
	return counts
}

func outcomeOf(t *testing.T, r upgrade.Report, name tenant.Name) upgrade.Outcome {
	t.Helper()
	for _, o := range r.Tenants {
		if o.Tenant == name {
			return o
		}
	}
	t.Fatalf("no outcome of %s", name)
	return upgrade.Outcome{}
}

// observer notes what it is told; after, unless nil, is called for each tenant that ended.
type observer struct {
	mutex sync.Mutex
	waves []upgrade.Wave
	ended []tenant.Name
	said  []upgrade.Judgement
	after func(upgrade.Outcome)
}

func (o *observer) WaveBegan(wave upgrade.Wave, _ int) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.waves = append(o.waves, wave)
}

func (o *observer) TenantEnded(outcome upgrade.Outcome) {
	o.mutex.Lock()
	o.ended = append(o.ended, outcome.Tenant)
	after := o.after
	o.mutex.Unlock()
	if after != nil {
		after(outcome)
	}
}

func (o *observer) WaveEnded(upgrade.Wave) {}

func (o *observer) Baking(upgrade.Wave, time.Time) {}

func (o *observer) Judged(_ upgrade.Wave, j upgrade.Judgement) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.said = append(o.said, j)
}
