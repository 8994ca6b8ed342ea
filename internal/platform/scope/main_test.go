package scope_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/stream"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// notes is a service of one table, which its second version changes.
func notes(t *testing.T) *stream.Stream {
	t.Helper()
	s, err := stream.Read("notes", fstest.MapFS{
		"001_notes.up.sql":   &fstest.MapFile{Data: []byte(`create table notes (id int primary key, body text not null); insert into notes values (1, 'first')`)},
		"001_notes.down.sql": &fstest.MapFile{Data: []byte(`drop table notes`)},
		"002_stars.up.sql":   &fstest.MapFile{Data: []byte(`alter table notes alter id type bigint, add stars int not null default 5`)},
		"002_stars.down.sql": &fstest.MapFile{Data: []byte(`alter table notes drop stars`)},
	})
	require.NoError(t, err)
	return s
}

func newFleet(t *testing.T, opts fleet.Options) *fleet.Fleet {
	t.Helper()
	opts.Streams = []*stream.Stream{notes(t)}
	return fleet.New(t, opts)
}

// read is the body of a note.
func read(ctx context.Context, pools *scope.Pools, t scope.Tenant, id int) (body string, err error) {
	err = pools.Read(ctx, t, func(b *pgx.Batch) {
		b.Queue(`select body from notes where id = $1`, id).QueryRow(func(row pgx.Row) error { return row.Scan(&body) })
	})
	return body, err
}

// write makes a note.
func write(ctx context.Context, pools *scope.Pools, t scope.Tenant, id int, body string) error {
	return pools.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error {
		_, err := tx.Exec(ctx, `insert into notes (id, body) values ($1, $2)`, id, body)
		return err
	})
}

// sleep is a statement that takes its time.
func sleep(ctx context.Context, pools *scope.Pools, t scope.Tenant, d time.Duration) error {
	return pools.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error {
		_, err := tx.Exec(ctx, `select pg_sleep($1)`, d.Seconds())
		return err
	})
}

// requireProblem checks what a caller would be told.
func requireProblem(t *testing.T, err error, status int, kind string) {
	t.Helper()
	require.Error(t, err)
	p := service.ProblemOf(err)
	require.Equal(t, status, p.Status, err)
	require.Equal(t, kind, p.Type, err)
	if status == http.StatusServiceUnavailable {
		require.Positive(t, p.RetryAfter)
	}
}

func expand(f *fleet.Fleet, sql string) string { return strings.ReplaceAll(sql, "PREFIX_", f.Prefix) }

func problem(err error) string {
	p := service.ProblemOf(err)
	return strconv.Itoa(p.Status) + " " + p.Type
}
