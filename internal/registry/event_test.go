package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/tenant"
)

func publish(t testing.TB, r *Registry, name tenant.Name, kind string) {
	t.Helper()
	require.NoError(t, r.Publish(t.Context(), tenant.Event{Type: kind, Tenant: name, Actor: actor, Message: kind, Data: json.RawMessage(`{"n": 1}`)}))
}

func TestEventsFilter(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	for _, name := range []tenant.Name{"a", "b", "a", "b"} {
		publish(t, r, name, "tenant.moved")
	}
	publish(t, r, "a", "tenant.proven")
	all, err := r.Events(ctx, 0, EventFilter{})
	require.NoError(t, err)
	require.Len(t, all, 5)
	require.WithinDuration(t, time.Now(), all[0].Time, time.Minute)
	require.JSONEq(t, `{"n": 1}`, string(all[0].Data))
	for _, test := range []struct {
		after  int64
		filter EventFilter
		want   []int
	}{
		{0, EventFilter{Limit: 2}, []int{0, 1}},
		{0, EventFilter{Limit: 2, Newest: true}, []int{3, 4}},
		{all[2].ID, EventFilter{}, []int{3, 4}},
		{all[4].ID, EventFilter{}, nil},
		{0, EventFilter{Tenant: "a"}, []int{0, 2, 4}},
		{0, EventFilter{Tenant: "a", Limit: 1, Newest: true}, []int{4}},
		{0, EventFilter{Types: []string{"tenant.proven", "none"}}, []int{4}},
		{all[0].ID, EventFilter{Types: []string{"tenant.moved"}, Tenant: "a"}, []int{2}},
	} {
		got, err := r.Events(ctx, test.after, test.filter)
		require.NoError(t, err)
		var want []tenant.Event
		for _, i := range test.want {
			want = append(want, all[i])
		}
		require.Equal(t, want, append([]tenant.Event(nil), got...), "%+v", test)
	}
}

// An event whose transaction is under way holds back those with higher ids, until it ends either way.
func TestEventsWaitForLowerIDs(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	publish(t, r, "", "first")
	for _, end := range []func(pgx.Tx) error{
		func(tx pgx.Tx) error { return tx.Commit(ctx) },
		func(tx pgx.Tx) error { return tx.Rollback(ctx) },
	} {
		before := types(t, r)
		tx, err := r.Pool().Begin(ctx)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.Background()) }() // a failed check must not leave it to the pool's end
		require.NoError(t, PublishIn(ctx, tx, tenant.Event{Type: "slow", Message: "slow"}))
		publish(t, r, "", "fast")
		require.Equal(t, before, types(t, r), "a higher id was shown before a lower one")
		require.NoError(t, end(tx))
		after := types(t, r)
		require.Equal(t, "fast", after[len(after)-1])
	}
	require.Equal(t, []string{"first", "slow", "fast", "fast"}, types(t, r))
}

// A long transaction elsewhere on the server, such as a copy, holds nothing back.
func TestEventsDoNotWaitForOthers(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	tx, err := r.Pool().Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(ctx, `create table public.long_copy (id int)`)
	require.NoError(t, err)
	publish(t, r, "", "first")
	require.Equal(t, []string{"first"}, types(t, r))
}

// Writers commit in any order, late, in groups, or not at all; a follower sees each committed event once and in order.
func TestFollowSkipsNothing(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	const writers, turns = 6, 40
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(writer)))
			for turn := range turns {
				tx, err := r.Pool().Begin(ctx)
				require.NoError(t, err)
				for range 1 + random.IntN(3) {
					require.NoError(t, PublishIn(ctx, tx, tenant.Event{Type: "fact", Message: fmt.Sprint(writer, turn)}))
					time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
				}
				if random.IntN(4) == 0 {
					require.NoError(t, tx.Rollback(ctx))
				} else {
					require.NoError(t, tx.Commit(ctx))
				}
			}
		})
	}
	go func() {
		group.Wait()
		publish(t, r, "", "end")
	}()
	var followed []int64
	for event, err := range r.Follow(ctx, 0, EventFilter{}) {
		require.NoError(t, err)
		followed = append(followed, event.ID)
		if event.Type == "end" {
			break
		}
	}
	rows, err := r.Pool().Query(ctx, `select id from tenantctl.event order by id`)
	require.NoError(t, err)
	committed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	require.Equal(t, committed, followed)
	require.Greater(t, len(committed), writers*turns/2)
}

func TestFollowIsWokenAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	publish(t, r, "a", "old")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan tenant.Event)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event, err := range r.Follow(ctx, 1, EventFilter{Tenant: "a"}) {
			require.NoError(t, err)
			got <- event
		}
	}()
	for range 3 {
		publish(t, r, "b", "unwanted")
		publish(t, r, "a", "new")
		require.Equal(t, "new", (<-got).Type)
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		require.Fail(t, "the follower goes on")
	}
}

// A follower that begins long before the newest event reads page after page.
func TestFollowCatchesUp(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	const count = 2*eventPage + 17
	_, err := r.Pool().Exec(ctx, `insert into tenantctl.event (type, message) select 'old', i from generate_series(1, $1) i`, count)
	require.NoError(t, err)
	seen := 0
	for event, err := range r.Follow(ctx, 0, EventFilter{}) {
		require.NoError(t, err)
		seen++
		require.EqualValues(t, seen, event.ID)
		if seen == count {
			break
		}
	}
}

// A restart of the control database delays a follower, and takes nothing from it.
func TestFollowOutlivesARestart(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	r := openAt(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server}))
	publish(t, r, "", "before")
	var seen []string
	for event, err := range r.Follow(t.Context(), 0, EventFilter{}) {
		require.NoError(t, err)
		seen = append(seen, event.Type)
		if event.Type == "after" {
			break
		}
		require.NoError(t, server.Restart(context.Background()))
		r.Pool().Reset()
		publish(t, r, "", "after")
	}
	require.Equal(t, []string{"before", "after"}, seen)
}

// A watcher is told at its beginning, of each event, of a control database that restarted, and of nothing else.
func TestWatchIsWoken(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	r := openAt(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told, ended := make(chan struct{}, 100), make(chan error, 1)
	watch := func() { ended <- r.Watch(ctx, func() { told <- struct{}{} }) }
	go watch()
	<-told
	for range 3 {
		publish(t, r, "a", "new")
		<-told
	}
	tx, err := r.Pool().Begin(ctx)
	require.NoError(t, err)
	require.NoError(t, PublishIn(ctx, tx, tenant.Event{Type: "never"}))
	require.NoError(t, tx.Rollback(ctx))
	require.Empty(t, told)
	require.NoError(t, server.Restart(context.Background()))
	require.Error(t, <-ended)
	r.Pool().Reset()
	go watch()
	<-told
	cancel()
	require.NoError(t, <-ended)
}

// BenchmarkPublish is what a state change costs when several processes make them at once.
func BenchmarkPublish(b *testing.B) {
	_, r := setup(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			publish(b, r, "a", "fact")
		}
	})
}
