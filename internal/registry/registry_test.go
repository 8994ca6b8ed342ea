package registry

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestOpenMigratesOnceFromManySides(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	var children []*child
	for range 4 {
		children = append(children, startChild(t, "open", dsn))
	}
	errs := make([]error, 4)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			registry, err := Open(t.Context(), dsn)
			if err == nil {
				registry.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	for _, c := range children {
		require.Equal(t, "opened", c.answer())
	}
	var applied int
	require.NoError(t, connect(t, dsn).QueryRow(t.Context(), `select count(*) from tenantctl.schema_file`).Scan(&applied))
	files, err := migrations.ReadDir("sql/migrations")
	require.NoError(t, err)
	require.Len(t, files, applied)
}

func TestOpenExisting(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	_, err := OpenExisting(t.Context(), dsn)
	require.ErrorIs(t, err, ErrNotSetUp)
	require.Contains(t, err.Error(), "is not set up yet")
	require.NotEmpty(t, tenant.Hints(err))
	var there bool
	require.NoError(t, connect(t, dsn).QueryRow(t.Context(), `select to_regnamespace('tenantctl') is not null`).Scan(&there))
	require.False(t, there, "reading changed something")

	openAt(t, dsn)
	existing, err := OpenExisting(t.Context(), dsn)
	require.NoError(t, err)
	defer existing.Close()
	statuses, err := existing.Statuses(t.Context(), StatusFilter{})
	require.NoError(t, err)
	require.Empty(t, statuses)

	_, err = connect(t, dsn).Exec(t.Context(), `update tenantctl.schema_file set name = '000_other.sql' where name = (select min(name) from tenantctl.schema_file)`)
	require.NoError(t, err)
	_, err = OpenExisting(t.Context(), dsn)
	require.ErrorIs(t, err, ErrNotSetUp)
}

func TestOpenRefusesWhatItCannotReach(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "postgres://ann:s3cret@127.0.0.1:1/none")
	require.ErrorContains(t, err, `control database: connect to 127.0.0.1:1 as "ann" to database "none"`)
	require.NotContains(t, err.Error(), "s3cret")
}

// A server that goes away in the middle of work is named, and so is what was being done.
func TestServerGoesAway(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	r := openAt(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server}))
	add(t, r, "client-x")
	lease, err := r.Acquire(t.Context(), LeaseName("client-x"), "ann@here pid 1")
	require.NoError(t, err)
	held, cancel := lease.Context(t.Context())
	defer cancel()

	require.NoError(t, server.Stop(context.Background()))
	defer func() { require.NoError(t, server.Start(context.Background())) }()
	for range 2 { // a session that breaks, then one that can't be opened
		err = r.SetState(t.Context(), "client-x", tenant.Suspended, actor, "")
		require.ErrorContains(t, err, `set state of tenant "client-x": `)
		require.Regexp(t, `(lost the connection|connect) to 127\.0\.0\.1:\d+`, err.Error())
		require.Equal(t, postgres.Retryable, postgres.Classify(err))
		require.Len(t, tenant.Hints(err), 1)
		require.NotContains(t, err.Error(), "\n")
	}
	require.ErrorIs(t, lease.Check(t.Context()), tenant.ErrLeaseLost)
	select {
	case <-held.Done():
	case <-time.After(5 * time.Second):
		require.Fail(t, "the work goes on without a lease")
	}
	require.ErrorIs(t, context.Cause(held), tenant.ErrLeaseLost)
	require.ErrorIs(t, lease.Release(t.Context()), tenant.ErrLeaseLost)
}

func TestTextIsWhatTheDatabaseTakes(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	for _, s := range []string{"a\x00b", "caf\xe9", "x\xff\xfe\x00", string(make([]byte, 3*maxText))} {
		op, _, err := r.Begin(ctx, "client-x", "migrate", actor, s, nil)
		require.NoError(t, err)
		attempt, err := r.StepStarted(ctx, op.ID, "copy")
		require.NoError(t, err)
		require.NoError(t, r.StepEnded(ctx, op.ID, "copy", attempt, errors.New(s)))
		require.NoError(t, r.Finish(ctx, op.ID, tenant.OperationUndone, errors.New(s)))
	}
}
