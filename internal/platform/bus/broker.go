package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"tenantctl/internal/tenant"
)

// Options say where the broker is.
type Options struct {
	URL string // amqp:// or amqps://, with user and password
	// CAFile holds the certificates that the server's is signed by; empty: those that the system trusts.
	CAFile string
	// Namespace begins every name on the broker; empty means "tenantctl".
	Namespace string
	Log       *slog.Logger
}

const (
	defaultNamespace = "tenantctl"
	dialTimeout      = 10 * time.Second
	heartbeat        = 10 * time.Second
	closeTimeout     = 2 * time.Second
)

// Broker is where sessions are opened. It holds none itself.
type Broker struct {
	opts   Options
	config amqp.Config
	names  names
	log    *slog.Logger
}

// Open reads what is needed to connect, and doesn't connect.
func Open(opts Options) (*Broker, error) {
	if opts.Namespace == "" {
		opts.Namespace = defaultNamespace
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	address, err := url.Parse(opts.URL)
	if err != nil || address.Scheme != "amqp" && address.Scheme != "amqps" || address.Host == "" {
		// Not the parser's text, which quotes the password.
		return nil, tenant.WithHint(fmt.Errorf("the broker's address isn't valid: %w", tenant.ErrInvalid), "it looks like amqp://user:password@host:5672/vhost, or amqps:// with TLS")
	}
	b := &Broker{opts: opts, names: names{opts.Namespace}, log: opts.Log, config: amqp.Config{Heartbeat: heartbeat}}
	if address.Scheme == "amqps" {
		if b.config.TLSClientConfig, err = tlsConfig(opts.CAFile, address.Hostname()); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func tlsConfig(caFile, host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("certificates of the broker: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates of the broker: %s holds none: %w", caFile, tenant.ErrInvalid)
	}
	return config, nil
}

// link is a connection, and the socket beneath it: a broker that has stopped reading leaves every call of the client hanging, and
// only closing the socket ends them.
type link struct {
	*amqp.Connection
	socket net.Conn
	closed chan struct{}
}

// dial connects for a purpose, which the broker shows.
func (b *Broker) dial(ctx context.Context, purpose string) (*link, error) {
	l := &link{}
	config := b.config
	config.Properties = amqp.NewConnectionProperties()
	config.Properties.SetClientConnectionName("tenantctl " + purpose)
	config.Dial = func(network, address string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		socket, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l.socket = socket
		return socket, socket.SetDeadline(time.Now().Add(dialTimeout)) // heartbeats take over after the handshake
	}
	connection, err := amqp.DialConfig(b.opts.URL, config)
	if err != nil {
		if l.socket != nil {
			_ = l.socket.Close()
		}
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	l.Connection = connection
	l.closed = make(chan struct{})
	ended := connection.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		defer close(l.closed)
		for reason := range ended {
			b.log.Warn("the broker's connection ended", "of", purpose, "reason", reason)
		}
	}()
	return l, nil
}

// channel opens a channel; the wait for the broker ends with ctx.
func (l *link) channel(ctx context.Context) (*amqp.Channel, error) {
	defer l.cutAfter(ctx)()
	ch, err := l.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	return ch, nil
}

// cutAfter closes the socket when ctx ends before what it returns is called.
func (l *link) cutAfter(ctx context.Context) (done func() bool) {
	return context.AfterFunc(ctx, func() { _ = l.socket.Close() })
}

// setupTimeout is how long a session may take to begin: a broker that has just started answers for queues that have no leader yet,
// or doesn't answer.
const setupTimeout = 15 * time.Second

// setUp closes the socket unless what it returns is called in time; that tells whether it was.
func (l *link) setUp() (done func() bool) { return l.cutIn(setupTimeout) }

// cutIn closes the socket after a while, unless what it returns is called before.
func (l *link) cutIn(d time.Duration) (done func() bool) {
	return time.AfterFunc(d, func() { _ = l.socket.Close() }).Stop
}

// close says goodbye, if the broker listens, and hangs up.
func (l *link) close() {
	_ = l.CloseDeadline(time.Now().Add(closeTimeout)) // it may be closed, or not listen
	_ = l.socket.Close()
}

// isMissing tells a queue or exchange that isn't there.
func isMissing(err error) bool {
	var failed *amqp.Error
	return errors.As(err, &failed) && failed.Code == amqp.NotFound
}
