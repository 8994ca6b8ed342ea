package stream_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// cut is when a connection is lost.
type cut int

const (
	beforeServer cut = iota // the server never gets the message
	beforeAnswer            // the server did what the message says, and its answer is lost
	atOnce                  // the server has got the message, and nobody waits for its answer
)

// proxy stands between driver and server on the loopback, and cuts the connection at a message that holds a marker.
type proxy struct {
	listener net.Listener
	server   string
	marker   []byte
	when     cut
	wait     sync.WaitGroup
}

// through is a DSN that leads through a proxy.
func through(t *testing.T, dsn, marker string, when cut) string {
	t.Helper()
	at, err := url.Parse(dsn)
	require.NoError(t, err)
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, server: at.Host, marker: []byte(marker), when: when}
	p.wait.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.wait.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.wait.Wait()
	})
	at.Host = listener.Addr().String()
	return at.String()
}

func (p *proxy) serve(client net.Conn) {
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), "tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	marked := make(chan struct{})
	p.wait.Go(func() {
		defer func() { _, _ = client.Close(), server.Close() }()
		p.answers(client, server, marked)
	})
	defer func() { _, _ = client.Close(), server.Close() }()
	buffer := make([]byte, 1<<20)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		found := bytes.Contains(buffer[:n], p.marker)
		if found {
			_ = p.listener.Close() // the network is gone for the driver's request to cancel, too
		}
		if found && p.when == beforeServer {
			return
		}
		if found {
			close(marked)
		}
		if _, err := server.Write(buffer[:n]); err != nil || found && p.when == atOnce {
			return
		}
	}
}

// answers passes on what the server says, but for the answer to the marked message.
func (p *proxy) answers(client io.Writer, server io.Reader, marked chan struct{}) {
	buffer := make([]byte, 1<<20)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-marked:
			return
		default:
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Whether a message was committed whose answer is lost can't be known, only read again.
func TestALostConnectionIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		marker string
		when   cut
		stand  *tenant.Version // what is found afterwards
	}{
		"transaction not begun":  {"/* cut */", beforeServer, &tenant.Version{Number: 1}},
		"transaction committed":  {"/* cut */", beforeAnswer, &tenant.Version{Number: 2}},
		"index not marked":       {"select 3, true", beforeServer, &tenant.Version{Number: 2}},
		"index marked":           {"select 3, true", beforeAnswer, &tenant.Version{Number: 3, Dirty: true}},
		"index not begun":        {"create index concurrently", beforeServer, &tenant.Version{Number: 3, Dirty: true}},
		"index built":            {"create index concurrently", beforeAnswer, &tenant.Version{Number: 3, Dirty: true}},
		"index not yet unmarked": {"select 3, false", beforeServer, &tenant.Version{Number: 3, Dirty: true}},
		"index unmarked":         {"select 3, false", beforeAnswer, &tenant.Version{Number: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := ways(t, "core",
				[2]string{"create table t (a int)", ""},
				[2]string{"insert into t values (1) /* cut */", ""},
				[2]string{"create index concurrently i on t (a)", ""})
			_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
			require.NoError(t, err)

			cutOff := b
			cutOff.dsn = through(t, b.dsn, tc.marker, tc.when)
			_, err = stream.Apply(b.ctx, cutOff.connect(t), b.target, s, 3)
			require.Error(t, err)
			require.Equal(t, postgres.Retryable, postgres.Classify(err), "%v", err)
			require.NotEmpty(t, tenant.Hints(err), "%v", err)

			b.settles(t)
			stands, err := stream.Stands(b.ctx, b.conn, s, []string{"tenant_a"})
			require.NoError(t, err)
			require.Equal(t, tc.stand, stands["tenant_a"].Version)
			before := b.text(t, `select coalesce(to_regclass('tenant_a.i')::oid::text, 'none')`)
			result, err := stream.Apply(b.ctx, b.conn, b.target, s, 3)
			require.NoError(t, err)
			require.Equal(t, &tenant.Version{Number: 3}, result.To)
			require.Equal(t, "1 true", b.text(t, `select (select count(*) from tenant_a.t) || ' ' || indisvalid from pg_index where indexrelid = 'tenant_a.i'::regclass`))
			if before != "none" {
				require.Equal(t, before, b.text(t, `select 'tenant_a.i'::regclass::oid::text`), "a finished index isn't built twice")
			}
		})
	}
}

// settles waits until no other session works on the database: the server learns late that its client is gone.
func (b bundle) settles(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return b.text(t, `select count(*)::text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`) == "0"
	}, 20*time.Second, 10*time.Millisecond)
}

// A client that is gone leaves a server that goes on building. Its locks keep others away, and what it made is kept.
func TestNobodyDropsAnIndexUnderItsBuilder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{"create table t (a int)", ""}, [2]string{"create index concurrently i on t (a)", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.NoError(t, err)
	writer := b.openTransaction(t, `insert into tenant_a.t values (1)`)
	cutOff := b
	cutOff.dsn = through(t, b.dsn, "create index concurrently", atOnce)
	_, err = stream.Apply(b.ctx, cutOff.connect(t), b.target, s, 2)
	require.Equal(t, postgres.Retryable, postgres.Classify(err))
	index := b.builds(t, "i")

	target := b.target
	target.Patience = 50 * time.Millisecond
	_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
	require.ErrorIs(t, err, tenant.ErrLocked, "the builder is at work still")

	writer()
	target.Patience = 30 * time.Second
	result, err := stream.Apply(b.ctx, b.conn, target, s, 2)
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 2}, result.To)
	require.Equal(t, index+" true", b.text(t, `select indexrelid || ' ' || indisvalid from pg_index where indexrelid = 'tenant_a.i'::regclass`))
}

// Somebody else builds an index of that name by hand: a file that says IF NOT EXISTS waits for it and is content.
func TestAnIndexBuiltByHandIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{"create table t (a int)", ""}, [2]string{"create index concurrently if not exists i on t (a)", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.NoError(t, err)
	writer := b.openTransaction(t, `insert into tenant_a.t values (1)`)
	hand := b.connect(t)
	built := make(chan error, 1)
	go func() { built <- postgres.Script(b.ctx, hand, `create index concurrently i on tenant_a.t (a)`) }()
	index := b.builds(t, "i")

	applied := make(chan error, 1)
	conn := b.connect(t)
	go func() {
		_, err := stream.Apply(b.ctx, conn, b.target, s, 2)
		applied <- err
	}()
	select {
	case err := <-applied:
		require.Fail(t, "didn't wait", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	writer()
	require.NoError(t, <-built)
	require.NoError(t, <-applied)
	require.Equal(t, index+" true", b.text(t, `select indexrelid || ' ' || indisvalid from pg_index where indexrelid = 'tenant_a.i'::regclass`))
}

// openTransaction leaves a transaction open; the function ends it.
func (b bundle) openTransaction(t *testing.T, sql string) (end func()) {
	t.Helper()
	tx, err := b.connect(t).Begin(b.ctx)
	require.NoError(t, err)
	_, err = tx.Exec(b.ctx, sql)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return func() { require.NoError(t, tx.Commit(b.ctx)) }
}

// builds waits until an index is being built, and returns its OID.
func (b bundle) builds(t *testing.T, name string) (oid string) {
	t.Helper()
	require.Eventually(t, func() bool {
		oid = b.text(t, `select coalesce(max(indexrelid), 0)::text from pg_index where indexrelid = to_regclass('tenant_a.`+name+`') and not indisvalid`)
		return oid != "0"
	}, 20*time.Second, 10*time.Millisecond)
	return oid
}
