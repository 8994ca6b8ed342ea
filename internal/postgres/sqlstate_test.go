package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, test := range []struct {
		err  error
		want postgres.Class
	}{
		{nil, postgres.Terminal},
		{errors.New("no server's"), postgres.Terminal},
		{context.Canceled, postgres.Terminal},
		{tenant.ErrInvalid, postgres.Terminal},
		{state("42501"), postgres.Terminal},
		{state("57014"), postgres.Terminal},
		{state("53100"), postgres.Terminal},
		{state("42601"), postgres.Terminal},
		{state("55P03"), postgres.Retryable},
		{state("40P01"), postgres.Retryable},
		{state("40001"), postgres.Retryable},
		{state("53300"), postgres.Retryable},
		{state("57P01"), postgres.Retryable},
		{state("57P03"), postgres.Retryable},
		{state("08006"), postgres.Retryable},
		{state("08P01"), postgres.Retryable},
		{&pgconn.PgError{Code: "XX000", Message: "tuple concurrently updated"}, postgres.Retryable},
		{&pgconn.PgError{Code: "XX000", Message: "could not read block"}, postgres.Terminal},
		{io.ErrUnexpectedEOF, postgres.Retryable},
		{errors.New("write: broken pipe"), postgres.Retryable},
		{pgconn.ErrConnClosed, postgres.Retryable},
		{state("42P07"), postgres.Conflict},
		{state("23505"), postgres.Conflict},
		{state("42710"), postgres.Conflict},
		{state("42P01"), postgres.NotFound},
		{state("3F000"), postgres.NotFound},
		{state("3D000"), postgres.NotFound},
	} {
		require.Equal(t, test.want, postgres.Classify(test.err), "%v", test.err)
		if test.err != nil {
			wrapped := tenant.WithHint(fmt.Errorf("what was attempted: %w", test.err), "what to do")
			require.Equal(t, test.want, postgres.Classify(wrapped), "wrapped %v", test.err)
			require.Equal(t, test.want, postgres.Classify(errors.Join(errors.New("first"), test.err)), "joined %v", test.err)
		}
	}
}

// The same, from a server.
func TestClassifyRealErrors(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), localtest.Database(t)
	conn := connect(t, dsn, postgres.Options{LockTimeout: 10 * time.Millisecond, StatementTimeout: 5 * time.Second})
	other := connect(t, dsn, postgres.Options{})
	require.NoError(t, postgres.Script(ctx, other, `create table a (id int primary key); insert into a values (1)`))
	class := func(sql string) postgres.Class {
		err := postgres.Script(ctx, conn, sql)
		require.Error(t, err, sql)
		return postgres.Classify(err)
	}
	require.Equal(t, postgres.Conflict, class(`create table a (id int)`))
	require.Equal(t, postgres.Conflict, class(`insert into a values (1)`))
	require.Equal(t, postgres.NotFound, class(`select from b`))
	require.Equal(t, postgres.NotFound, class(`create table missing.a (id int)`))
	require.Equal(t, postgres.Terminal, class(`select 1/0`))
	require.Equal(t, postgres.Terminal, class(`set statement_timeout = '1ms'; select pg_sleep(1)`))
	require.NoError(t, postgres.Script(ctx, other, `begin; lock table a`))
	require.Equal(t, postgres.Retryable, class(`select from a`))
	require.NoError(t, postgres.Script(ctx, other, `commit`))
	require.Equal(t, "57P01", postgres.Code(postgres.Script(ctx, conn, `select pg_terminate_backend(pg_backend_pid())`)))
	require.Equal(t, postgres.Retryable, class(`select 1`), "a session that was ended")
}
