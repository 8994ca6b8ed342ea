package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
)

func TestEditedMissingAndAddedFilesAreFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := read(t, "core", map[string]string{"001_a": "create table a ()", "003_c": "create table c ()", "004_d": "create table d ()"})
	require.NoError(t, stream.Prepare(b.ctx, b.conn, made))
	require.NoError(t, stream.Prepare(b.ctx, b.conn, made))
	target := b.target
	target.Record, target.Mark = true, "rollout-1"
	_, err := stream.Apply(b.ctx, b.conn, target, made, 4)
	require.NoError(t, err)
	stands, err := stream.Stands(b.ctx, b.conn, made, []string{"tenant_a", "tenant_nowhere"})
	require.NoError(t, err)
	require.Equal(t, stream.Stand{}, stands["tenant_nowhere"])
	stand := stands["tenant_a"]
	require.Equal(t, uint64(4), stand.Recorded.Version)
	require.Equal(t, "rollout-1", stand.Recorded.Mark)
	require.True(t, made.Same(stand))

	longer := read(t, "core", map[string]string{"001_a": "create table a ()", "003_c": "create table c ()", "004_d": "create table d ()", "005_e": "create table e ()"})
	require.True(t, longer.Same(stand), "what comes after changes nothing")

	now := read(t, "core", map[string]string{"001_a": "create table a (edited int)", "002_b": "create table b ()", "004_d": "create table d ()"})
	require.False(t, now.Same(stand))
	differences, err := now.Differences(b.ctx, b.conn, *stand.Recorded)
	require.NoError(t, err)
	require.Len(t, differences, 3)
	require.Regexp(t, `^001_a.up.sql \(SHA-256 \w{12}…\) was applied, 001_a.up.sql \(SHA-256 \w{12}…\) is there now$`, differences[0].String())
	require.Regexp(t, `^003_c.up.sql \(SHA-256 \w{12}…\) was applied and is missing now$`, differences[1].String())
	require.Regexp(t, `^002_b.up.sql .* was added below a version that is applied already`, differences[2].String())

	// Going back and forth keeps the record; before the first version there is none.
	back := ways(t, "back", [2]string{"create table x ()", "drop table x"}, [2]string{"create index concurrently xi on x ((1))", "drop index concurrently xi"})
	require.NoError(t, stream.Prepare(b.ctx, b.conn, back))
	_, err = stream.Apply(b.ctx, b.conn, target, back, 2)
	require.NoError(t, err)
	require.Equal(t, "2 2", b.text(t, `select a.version || ' ' || h.version from tenantctl_instance.applied a join tenantctl_instance.history h on h.hash = a.history where a.service = 'back'`))
	_, err = stream.Revert(b.ctx, b.conn, target, back, nil)
	require.NoError(t, err)
	require.Equal(t, "0", b.text(t, `select count(*)::text from tenantctl_instance.applied where service = 'back'`))
}
