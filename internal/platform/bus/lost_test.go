package bus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
)

// A queue is lost, and its consumer tells so, while a relay that has sent into it hasn't committed yet that it did: another relay, which
// hears of the loss, has those events sent again, too.
func TestWhatIsNotedAsSentAfterItsQueueWasLostIsSentAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	stop := b.consumer(t)
	b.messages(t, "shop", 0)
	stop()

	b.mustPublish(t, "a", 1)
	let := b.hold(t, `select from bus.outbox for update`)
	b.relay(t) // sends, and can't note it
	b.messages(t, "shop", 1)
	b.deleteQueue(t, "shop")
	b.consumer(t) // tells of it, and makes it anew
	b.messages(t, "relay.shared-1", 1)
	b.relay(t)
	b.messages(t, "relay.shared-1", 0) // it was heard
	time.Sleep(10 * tick)              // without its wait, the relay that heard is done now
	let()
	require.Equal(t, 1, b.settled(t, "a"))
}

// What waits to be tried again in a queue that is deleted comes again, though nothing else fails that would be sent there.
func TestAQueueOfRetriesIsLostWhileNothingFails(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t)
	var once atomic.Bool
	b.consumer(t, func(c *bus.Consumer) {
		c.Look, c.Delays = 100*time.Millisecond, []time.Duration{time.Hour}
		c.Handle = func(ctx context.Context, tx scope.Tx, m bus.Message) error {
			if !once.Swap(true) {
				return errors.New("the first time")
			}
			return note(ctx, tx, m)
		}
	})
	b.mustPublish(t, "a", 1)
	b.messages(t, "shop.retry.1h0m0s", 1)
	b.deleteQueue(t, "shop.retry.1h0m0s")
	require.Equal(t, 1, b.settled(t, "a"))
}

// hold keeps the locks of a statement until it is let, or t ends.
func (b *bundle) hold(t testing.TB, sql string) (let func()) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), b.Root.Config())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), sql)
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback(t.Context())) }
}

// messages waits until a queue is there and so many messages in it, of which nobody has any.
func (b *bundle) messages(t testing.TB, queue string, n int) {
	t.Helper()
	require.Eventually(t, func() (is bool) {
		b.channel(t, func(ch *amqp.Channel) {
			state, err := ch.QueueDeclarePassive(b.namespace+"."+queue, true, false, false, false, nil)
			is = err == nil && state.Messages == n
		})
		return is
	}, patience, tick, "%d messages in %s", n, queue)
}
