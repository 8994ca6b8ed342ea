package registry

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// instance is an instance that has heard of token 10.
func instance(t *testing.T) (context.Context, string, *pgx.Conn) {
	t.Helper()
	dsn := localtest.Database(t)
	conn := connect(t, dsn)
	require.NoError(t, OpenInstance(t.Context(), conn))
	require.NoError(t, RaiseToken(t.Context(), conn, leaseOf, 10, RaiseOptions{}))
	return t.Context(), dsn, conn
}

func TestTokenOnlyRises(t *testing.T) {
	t.Parallel()
	ctx, _, conn := instance(t)
	require.NoError(t, RaiseToken(ctx, conn, leaseOf, 10, RaiseOptions{}), "told twice")
	require.ErrorIs(t, RaiseToken(ctx, conn, leaseOf, 9, RaiseOptions{}), tenant.ErrLeaseLost)
	require.NoError(t, RaiseToken(ctx, conn, leaseOf, 11, RaiseOptions{}))
	require.NoError(t, RaiseToken(ctx, conn, "tenant:client-y", 1, RaiseOptions{}))
	for token, want := range map[int64]error{10: tenant.ErrLeaseLost, 11: nil, 12: tenant.ErrLeaseLost} {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return HoldToken(ctx, tx, leaseOf, token) })
		require.ErrorIs(t, err, want, token)
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return HoldToken(ctx, tx, "tenant:unheard-of", 1) })
	require.ErrorIs(t, err, tenant.ErrLeaseLost)
}

// Many tokens are raised at once, or none of them is: where one was taken over, or where somebody writes under one.
func TestManyTokensAreRaisedTogether(t *testing.T) {
	t.Parallel()
	ctx, dsn, conn := instance(t)
	held := func(name string, token int64) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return HoldToken(ctx, tx, name, token) })
	}
	require.NoError(t, RaiseTokens(ctx, conn, []Token{{leaseOf, 12}, {"tenant:b", 5}, {"tenant:a", 6}}))
	require.NoError(t, errors.Join(held(leaseOf, 12), held("tenant:b", 5), held("tenant:a", 6)))
	require.ErrorIs(t, RaiseTokens(ctx, conn, []Token{{leaseOf, 11}, {"tenant:a", 7}}), tenant.ErrLeaseLost)
	require.NoError(t, held("tenant:a", 6))
	writer, err := connect(t, dsn).Begin(ctx)
	require.NoError(t, err)
	require.NoError(t, HoldToken(ctx, writer, leaseOf, 12))
	require.Error(t, RaiseTokens(ctx, conn, []Token{{leaseOf, 13}, {"tenant:a", 7}}))
	require.NoError(t, held("tenant:a", 6))
	require.NoError(t, writer.Rollback(ctx))
	require.NoError(t, RaiseTokens(ctx, conn, []Token{{leaseOf, 13}, {"tenant:a", 7}}))
}

// Once RaiseToken has returned, nothing written under the old token can commit, however many were writing.
func TestNothingCommitsUnderAnOldToken(t *testing.T) {
	t.Parallel()
	ctx, dsn, conn := instance(t)
	var writers sync.WaitGroup
	for worker := range 4 {
		own := connect(t, dsn)
		writers.Go(func() {
			for number := worker; ; number += 4 {
				err := pgx.BeginFunc(ctx, own, func(tx pgx.Tx) error {
					if err := HoldToken(ctx, tx, leaseOf, 10); err != nil {
						return err
					}
					return SaveChunk(ctx, tx, Chunk{Operation: operation, Table: "t", Number: number, Token: 10})
				})
				if err != nil {
					require.ErrorIs(t, err, tenant.ErrLeaseLost)
					return
				}
			}
		})
	}
	require.Eventually(t, func() bool {
		chunks, err := Chunks(ctx, conn, operation)
		return err == nil && len(chunks) > 20
	}, 10*time.Second, time.Millisecond)
	// Transactions overlap all the time; the raise gets its turn nevertheless, and ends none of them.
	require.NoError(t, RaiseToken(ctx, conn, leaseOf, 11, RaiseOptions{Wait: 5 * time.Second}))
	atRaise, err := Chunks(ctx, conn, operation)
	require.NoError(t, err)
	writers.Wait()
	atEnd, err := Chunks(ctx, conn, operation)
	require.NoError(t, err)
	require.Len(t, atEnd, len(atRaise))
}

// A transaction that took its snapshot before the token rose doesn't pass by the old value.
func TestHoldTokenUnderRepeatableRead(t *testing.T) {
	t.Parallel()
	ctx, dsn, conn := instance(t)
	tx, err := connect(t, dsn).BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	var one int
	require.NoError(t, tx.QueryRow(ctx, `select 1`).Scan(&one))
	require.NoError(t, RaiseToken(ctx, conn, leaseOf, 11, RaiseOptions{}))
	require.Error(t, HoldToken(ctx, tx, leaseOf, 10))
}

func TestChunks(t *testing.T) {
	t.Parallel()
	ctx, _, conn := instance(t)
	want := []Chunk{
		{Operation: operation, Table: `public."Orders"`, Number: 0, Hi: "(5,0)", Token: 10, Rows: 3, Bytes: 99, Hash: [16]byte{0, 1, 15: 255}},
		{Operation: operation, Table: `public."Orders"`, Number: 1, Lo: "(5,0)", Token: 10, Rows: 1 << 40, Bytes: 1 << 50},
		{Operation: operation, Table: "public.zebra", Token: 10},
	}
	other := Chunk{Operation: "op-2", Table: "public.zebra", Token: 10}
	for _, chunk := range append([]Chunk{other}, want...) {
		require.NoError(t, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return SaveChunk(ctx, tx, chunk) }))
	}
	got, err := Chunks(ctx, conn, operation)
	require.NoError(t, err)
	for i := range got {
		require.WithinDuration(t, time.Now(), got[i].Done, time.Minute)
		got[i].Done = time.Time{}
	}
	require.Equal(t, want, got)

	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return SaveChunk(ctx, tx, want[0]) })
	require.Equal(t, postgres.Conflict, postgres.Classify(err), "the same rows were let in twice")
	require.ErrorContains(t, err, `mark chunk 0 of public."Orders"`)

	require.NoError(t, ForgetChunks(ctx, conn, operation, "public.zebra"))
	got, err = Chunks(ctx, conn, operation)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.NoError(t, ForgetChunks(ctx, conn, operation, ""))
	got, err = Chunks(ctx, conn, operation)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = Chunks(ctx, conn, "op-2")
	require.NoError(t, err)
	require.Len(t, got, 1, "another operation's marks went too")
}
