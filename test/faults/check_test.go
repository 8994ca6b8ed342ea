package faults

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"tenantctl/test/compare"
)

// before is what has to be found again after a move.
type before struct {
	legacy    compare.State
	schemas   map[string]string
	neighbor  []string
	next      string // what a sequence of the legacy database gives next
	legacyNow []string
}

const neighborSchema = "tenant_neighbor"

// remember makes a neighbor on the instance and reads everything that a move must carry or leave alone.
func (s *scene) remember() before {
	s.t.Helper()
	s.exits(0, "provision", "neighbor")
	s.exec(s.target, `insert into tenant_neighbor.customers (code, name) select 'c' || i, 'neighbor ' || i from generate_series(1, 50) i`)
	source, target := s.open(s.source), s.open(s.target)
	schemas := compare.Schemas(s.t, source, "tenant_client_x")
	b := before{
		legacy: compare.Legacy(s.t, source, schemas), schemas: schemas,
		neighbor: compare.Contents(s.t, target, neighborSchema), legacyNow: compare.Contents(s.t, source, "public"),
		next: s.ask(s.source, "select (last_value + 1)::text from orders_id_seq"),
	}
	require.NoError(s.t, source.Close(context.Background()))
	require.NoError(s.t, target.Close(context.Background()))
	return b
}

// moved checks a move that has come to its end.
func (s *scene) moved(b before) {
	s.t.Helper()
	s.proven()
	require.Empty(s.t, compare.Diff(b.legacy, compare.Tenant(s.t, s.open(s.target), b.schemas)))
	s.unharmed(b)
	s.fenced()
	require.Equal(s.t, "platform", s.ask(s.target, "select target from tenantctl.route where tenant = 'client-x'"))
	require.Equal(s.t, b.next, s.ask(s.target, "select nextval('tenant_client_x.orders_id_seq')::text"))
	s.nothingLeft()
}

// proven reads both sides again.
func (s *scene) proven() {
	s.t.Helper()
	for _, more := range [][]string{nil, {"--source"}} {
		var report struct{ Equal bool }
		shown := s.exits(0, append([]string{"verify", "client-x", "-o", "json"}, more...)...)
		var document struct{ Data json.RawMessage }
		body := []byte(shown.stdout)
		if json.Unmarshal(body, &document) == nil && document.Data != nil {
			body = document.Data
		}
		require.NoError(s.t, json.Unmarshal(body, &report), shown.stdout)
		require.True(s.t, report.Equal, shown.stdout)
	}
}

// unharmed: the neighbor's schema is what it was.
func (s *scene) unharmed(b before) {
	s.t.Helper()
	require.Equal(s.t, b.neighbor, compare.Contents(s.t, s.open(s.target), neighborSchema))
}

// fenced: the client can't write to its legacy database, whatever it tries.
func (s *scene) fenced() {
	s.t.Helper()
	require.ErrorContains(s.t, s.clientWrites(), "read-only transaction")
	_, err := s.open(s.source).Exec(context.Background(), "insert into settings values ('too late', '')")
	require.ErrorContains(s.t, err, "being moved to the shared platform")
}

// back checks a rollback that has come to its end: the client works with its legacy database as if nothing had been.
func (s *scene) back(b before) {
	s.t.Helper()
	require.Equal(s.t, b.legacyNow, compare.Contents(s.t, s.open(s.source), "public"))
	require.Equal(s.t, "legacy", s.ask(s.target, "select target from tenantctl.route where tenant = 'client-x'"))
	require.Equal(s.t, "0", s.ask(s.source, "select count(*)::text from pg_namespace where nspname = 'tenantctl_fence'"))
	require.Equal(s.t, "0", s.ask(s.target, `select count(*)::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname in ('tenant_client_x', 'tenant_client_x__audit')`))
	require.NoError(s.t, s.clientWrites())
	s.unharmed(b)
	s.nothingLeft()
}

// keptOnPurpose tells initdb's work, which the next throw-away server takes over; but not what a killed run had of it: the next run
// took that away.
func keptOnPurpose(path string) bool {
	return strings.HasSuffix(filepath.Dir(path), "-initdb") && !strings.HasSuffix(path, ".new")
}

// nothingLeft: no slot, no scratch database, no lock, no session, no file and no process remains of any run.
func (s *scene) nothingLeft() {
	s.t.Helper()
	admin := s.server.DSN("postgres")
	ours := []string{databaseOf(s.source), databaseOf(s.target)}
	require.Empty(s.t, s.ask(admin, "select string_agg(slot_name, ' ') from pg_replication_slots where database = any($1) or slot_name like 'tenantctl%'", ours))
	require.Empty(s.t, s.ask(admin, "select string_agg(datname, ' ') from pg_database where datname like 'tenantctl%'"))
	require.Empty(s.t, s.ask(admin, "select string_agg(gid, ' ') from pg_prepared_xacts where database = any($1)", ours))
	// The sessions of a program that was killed end by themselves, but not at once.
	left := `select string_agg(application_name || ': ' || state || ': ' || left(query, 100), '; ') from pg_stat_activity
		where datname = any($1) and application_name like 'tenantctl%'`
	s.until("sessions are left", func() bool { return s.ask(admin, left, ours) == "" })
	require.Empty(s.t, s.ask(admin, `select string_agg(l.objid::text, ' ') from pg_locks l join pg_database d on d.oid = l.database
		where l.locktype = 'advisory' and d.datname = any($1)`, ours))
	require.Equal(s.t, "0", s.ask(s.target, "select count(*)::text from tenantctl.lease where released_at is null"))
	for _, folder := range []string{"tmp", "state"} {
		var files []string
		_ = filepath.WalkDir(filepath.Join(s.dir, folder), func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() && keptOnPurpose(path) {
				return filepath.SkipDir
			}
			if err == nil && !entry.IsDir() && entry.Type() != os.ModeSymlink { // the scene's own
				files = append(files, path)
			}
			return nil
		})
		require.Empty(s.t, files)
	}
	require.Empty(s.t, s.processes(), "throw-away servers are left")
}

// processes are those that were started in the scene's folder and still run: throw-away servers.
func (s *scene) processes() []string {
	var found []string
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline") // empty on other systems
	for _, file := range commands {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), s.dir) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}
