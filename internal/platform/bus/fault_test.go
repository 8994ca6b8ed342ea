package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// writers publish in all tenants until they are stopped.
func (b *bundle) writers(t *testing.T, names ...tenant.Name) (stop func()) {
	return start(t, func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := b.publish(ctx, names[i%len(names)], i); err != nil && ctx.Err() == nil {
				t.Errorf("a tenant's write failed because of the broker: %v", err)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
}

// through sends the bus's connections through a proxy.
func (b *bundle) through(t *testing.T) *fleet.Proxy {
	t.Helper()
	address, err := url.Parse(b.url)
	require.NoError(t, err)
	p := fleet.NewProxy(t, nil, address.Host)
	address.Host = p.Address()
	b.url = address.String()
	return p
}

// more waits until so many further effects are there: the bus works again.
func (b *bundle) more(t *testing.T, names ...tenant.Name) {
	t.Helper()
	done := func() int { causes, missing, _ := b.ledger(t, names...); return causes - missing }
	before := done()
	require.Eventually(t, func() bool { return done() > before+20 }, patience, tick, "nothing is delivered any more")
}

func TestNothingIsLostOrDoneTwice(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b", "c")
	names := []tenant.Name{"a", "b", "c"}
	direct := b.url
	p := b.through(t)
	b.relay(t)
	b.relay(t)
	b.consumer(t)
	b.consumer(t)
	stop := b.writers(t, names...)
	b.more(t, names...)

	for range 3 {
		p.Cut()
		b.more(t, names...)
	}
	t.Log("connections were cut")

	through := b.url
	b.url = direct
	b.deleteQueue(t, "shop")
	b.more(t, names...)
	b.deleteQueue(t, "shop", "shop.retry.100ms", "shop.retry.300ms", "parked", "relay.shared-1")
	b.url = through
	b.more(t, names...)
	t.Log("queues were deleted")

	stop()
	t.Logf("%d events", b.settled(t, names...))
}

func TestForeignMessagesAreParked(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t)
	b.consumer(t, func(c *bus.Consumer) { c.Attempts = 2 })
	b.mustPublish(t, "a", 1)
	b.settled(t, "a")
	good := func() amqp.Publishing {
		const id = "00000000-0000-4000-8000-000000000000"
		return amqp.Publishing{MessageId: id, Body: []byte(`{}`), Headers: amqp.Table{
			"cloudEvents_specversion": "1.0", "cloudEvents_id": id, "cloudEvents_source": "/shop", "cloudEvents_type": placed,
			"cloudEvents_time": "2026-01-02T03:04:05Z", "cloudEvents_tenant": "a", "cloudEvents_dataversion": int64(1),
		}}
	}
	wrong := map[string]func(*amqp.Publishing){
		"it names no tenant":   func(m *amqp.Publishing) { delete(m.Headers, "cloudEvents_tenant") },
		"isn't the UUID":       func(m *amqp.Publishing) { m.MessageId = "another" },
		"unknown here":         func(m *amqp.Publishing) { m.Headers["cloudEvents_dataversion"] = int64(2) },
		"doesn't take":         func(m *amqp.Publishing) { m.Headers["cloudEvents_type"] = "order.eaten" },
		"not a CloudEvent":     func(m *amqp.Publishing) { m.Headers = nil },
		"it has no version":    func(m *amqp.Publishing) { m.Headers["cloudEvents_dataversion"] = "1" },
		"isn't there any more": func(m *amqp.Publishing) { m.Headers["cloudEvents_tenant"] = "nobody" },
	}
	b.channel(t, func(ch *amqp.Channel) {
		for _, spoil := range wrong {
			m := good()
			spoil(&m)
			require.NoError(t, ch.PublishWithContext(t.Context(), "", b.namespace+".shop", false, false, m))
		}
	})
	parked := b.parked(t, len(wrong))
	for reason := range wrong {
		found := 0
		for _, p := range parked {
			if strings.Contains(p.Reason, reason) {
				found++
			}
		}
		require.Equal(t, 1, found, reason)
	}
	require.Equal(t, 1, b.settled(t, "a"))
}

func TestWhatNobodyTakesIsParkedAfterAWhile(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t, func(o *bus.RelayOptions) { o.GiveUp = time.Second })
	id := b.mustPublish(t, "a", 1)
	parked := b.parked(t, 1)
	require.Equal(t, id, parked[0].ID)
	require.Equal(t, "no queue takes it", parked[0].Reason)
	require.Empty(t, parked[0].Queue)
	b.consumer(t)
	require.Equal(t, 1, b.settled(t, "a"), "a consumer that comes later gets what was sent in the last day")
	_, err := b.broker(t).Replay(t.Context(), func(bus.Parked) bool { return true })
	require.NoError(t, err)
	b.parked(t, 0)
	b.mustPublish(t, "a", 2)
	require.Equal(t, 2, b.settled(t, "a"))
}

// channel speaks to the broker behind the bus's back.
func (b *bundle) channel(t testing.TB, do func(*amqp.Channel)) {
	t.Helper()
	connection, err := amqp.Dial(b.url)
	require.NoError(t, err)
	defer connection.Close()
	ch, err := connection.Channel()
	require.NoError(t, err)
	do(ch)
}

func (b *bundle) deleteQueue(t testing.TB, names ...string) {
	t.Helper()
	b.channel(t, func(ch *amqp.Channel) {
		for _, name := range names {
			_, err := ch.QueueDelete(fmt.Sprintf("%s.%s", b.namespace, name), false, false, false)
			require.NoError(t, err)
		}
	})
}

// A broker behind TLS is believed only by the certificates that are named.
func TestTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))
	address, err := url.Parse(b.url)
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}})
	require.NoError(t, err)
	p := fleet.NewProxy(t, listener, address.Host)
	address.Scheme, address.Host = "amqps", p.Address()
	secured, err := bus.Open(bus.Options{URL: address.String(), CAFile: ca, Namespace: b.namespace})
	require.NoError(t, err)
	unknown, err := bus.Open(bus.Options{URL: address.String(), Namespace: b.namespace})
	require.NoError(t, err)
	_, err = unknown.Parked(t.Context())
	require.ErrorContains(t, err, "certificate")
	b.relay(t, func(o *bus.RelayOptions) { o.Broker = secured })
	b.consumer(t, func(c *bus.Consumer) { c.Broker = secured })
	b.mustPublish(t, "a", 1)
	require.Equal(t, 1, b.settled(t, "a"))
}
