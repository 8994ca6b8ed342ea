package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/operation/pause"
)

// Moments of rollouts, which moves never come to.
func ofRollouts(point pause.Name) bool {
	return strings.HasPrefix(string(point), "upgrade.") || strings.HasPrefix(string(point), "stream.")
}

// Moments of the platform's services.
func ofServices(point pause.Name) bool {
	return strings.HasPrefix(string(point), "bus.") || strings.HasPrefix(string(point), "jobs.")
}

// shops is a fleet of tenants at version 1 of a service, whose versions 2 to 4 are there. Each version counts itself, so that one
// that is applied twice shows.
type shops struct {
	*scene
	tenants int
}

func newShops(t *testing.T, tenants int) *shops {
	t.Helper()
	s := &shops{scene: newScene(t, setting{source: "postgres://unused.invalid/x"}), tenants: tenants}
	var text strings.Builder
	fmt.Fprintf(&text, "version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\nservices: { shop: { migrations: shop } }\n", s.prefix)
	fmt.Fprint(&text, "rollout: { rings: [ { name: general, parallel: 2, waves: [20%, 100%] } ], gates: { database: { samples: 1 } } }\ntenants:\n")
	for i := range tenants {
		fmt.Fprintf(&text, "  t%02d: {}\n", i)
	}
	s.file("tenants.yaml", text.String())
	s.file("shop/001_base.up.sql", "create table customers (id int primary key); create table log (version int); insert into log values (1)")
	s.file("shop/001_base.down.sql", "drop table customers, log")
	s.exits(0, "provision", "--all")
	s.file("shop/002_more.up.sql", "alter table customers add name text; insert into log values (2)")
	s.file("shop/002_more.down.sql", "alter table customers drop name; delete from log where version = 2")
	s.file("shop/003_index.up.sql", "create index concurrently customers_name on customers (name)")
	s.file("shop/003_index.down.sql", "drop index concurrently if exists customers_name")
	s.file("shop/004_notes.up.sql", "create table notes (id int); insert into log values (4)")
	s.file("shop/004_notes.down.sql", "drop table notes; delete from log where version = 4")
	return s
}

func (s *shops) file(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755)) //nolint:gosec // holds no secret
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

// all wants every tenant to have had the versions, each once, and nothing half done anywhere.
func (s *shops) all(version int, log string) {
	s.t.Helper()
	for i := range s.tenants {
		schema := fmt.Sprintf("tenant_t%02d", i)
		require.Equal(s.t, fmt.Sprintf("%d false", version), s.ask(s.target, "select version || ' ' || dirty from "+schema+".schema_migrations_shop"), schema)
		require.Equal(s.t, log, s.ask(s.target, "select string_agg(version::text, ',' order by version) from "+schema+".log"), schema)
	}
	require.Equal(s.t, "0", s.ask(s.target, "select count(*)::text from pg_index where not indisvalid"))
	require.Equal(s.t, "0", s.ask(s.target, "select count(*)::text from tenantctl.held_lease"))
}

// rollout is the newest one as the program tells of it.
func (s *shops) rollout() (id, state string, results map[string]int) {
	s.t.Helper()
	out := s.exits(0, "rollouts", s.last(), "-o", "json").stdout
	var told struct {
		Rollout struct{ ID, State string }
		Tenants []struct{ Result string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(out), &told))
	results = map[string]int{}
	for _, tenant := range told.Tenants {
		results[tenant.Result]++
	}
	return told.Rollout.ID, told.Rollout.State, results
}

func (s *shops) last() string {
	s.t.Helper()
	name, _, _ := strings.Cut(s.exits(0, "rollouts", "-o", "name").stdout, "\n")
	return strings.TrimPrefix(name, "rollout/")
}

// Each run of a rollout of two waves, and of its way back, is killed where the one before it hadn't come to.
func TestRolloutKilledAtEveryPausePoint(t *testing.T) {
	t.Parallel()
	back := []string{ // gates and waves have no moments on the way back
		moment(pause.StreamMessageSent, 1), moment(pause.StreamMarkedDirty, 1), moment(pause.StreamStatementRan, 1), moment(pause.TenantUpgraded, 1),
		moment(pause.OutcomesUnrecorded, 1), moment(pause.OutcomesRecorded, 1),
	}
	wave := append(back[:len(back):len(back)], moment(pause.WaveEnded, 1), moment(pause.GatesJudged, 1))
	for _, point := range pause.All() {
		if ofRollouts(point) {
			require.Contains(t, wave, moment(point, 1), "no run dies there")
		}
	}
	s := newShops(t, 5)
	s.dies(wave[0], "upgrade", "--all", "--yes")
	for _, kill := range append(wave[1:len(wave):len(wave)], wave...) {
		s.dies(kill, "upgrade", "--resume")
	}
	s.exits(0, "upgrade", "--resume")
	s.all(4, "1,2,4")
	id, state, results := s.rollout()
	require.Equal(t, "done", state)
	require.Equal(t, map[string]int{"upgraded": 5}, results, "what a dying process did and couldn't write down is its rollout's all the same")

	for _, kill := range back {
		s.dies(kill, "upgrade", "--rollback", id, "--yes")
	}
	s.exits(0, "upgrade", "--rollback", id, "--yes")
	s.all(1, "1")
	_, state, results = s.rollout()
	require.Equal(t, "rolled-back", state)
	require.Equal(t, map[string]int{"reverted": 5}, results)
}

// A rollout that is killed over and over again, at any moment.
func TestRolloutKilledAtRandom(t *testing.T) {
	t.Parallel()
	s := newShops(t, 20)
	begun := s.start("", "upgrade", "--all", "--yes")
	for kills := 0; ; {
		time.Sleep(time.Duration(20+rand.IntN(150)) * time.Millisecond)
		_ = begun.cmd.Process.Signal(syscall.SIGKILL)
		if e := s.wait(begun); e.signal == 0 {
			require.Zero(t, e.code, e.stderr)
			t.Logf("killed %d times", kills)
			break
		}
		if kills++; kills == 10 { // enough: let it end
			s.exits(0, s.goOn()...)
			break
		}
		begun = s.start("", s.goOn()...)
	}
	s.all(4, "1,2,4")
	_, state, results := s.rollout()
	require.Equal(t, "done", state)
	require.Equal(t, map[string]int{"upgraded": 20}, results)
}

// goOn is what a person types then: a rollout that wasn't recorded before the kill has to be begun.
func (s *shops) goOn() []string {
	if s.ask(s.target, "select (to_regclass('tenantctl_upgrade.judgement') is not null)::text") == "true" &&
		s.ask(s.target, "select count(*)::text from tenantctl_upgrade.rollout") != "0" {
		return []string{"upgrade", "--resume"}
	}
	return []string{"upgrade", "--all", "--yes"}
}
