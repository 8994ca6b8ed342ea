package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"tenantctl/internal/platform/limit"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Service is the gateway's name among the services.
const Service = "gateway"

//go:embed openapi.yaml
var description []byte

// Directory knows the tenants and tells of changes; scope.Directory does.
type Directory interface {
	scope.Tenants
	Epoch() int64
	Subscribe(changed func(scope.Tenant))
}

// Records are where gateways say which routes they act by; registry.Registry is.
type Records interface {
	RouteEpoch(ctx context.Context) (int64, error)
	GatewaySeen(ctx context.Context, id string, epoch int64, draining ...int64) (alive int, err error)
	GatewayGone(ctx context.Context, id string) error
}

// Options say where traffic may go, and how much of it. What is zero has the default named beside it.
type Options struct {
	ID        string // of this process among the gateways; random
	Build     string // for /version
	Directory Directory
	Records   Records
	Verifier  token.Verifier
	Domain    string                        // hosts are TENANT.Domain; localhost
	Services  []Backend                     // ours, and a user's own
	LegacyURL func(name tenant.Name) string // where a tenant's old application is; empty: it has none
	Hold      HoldLimits

	Concurrent int           // requests of one tenant under way at a time: 256; as many wait up to Queue for a place
	Streams    int           // event streams and WebSockets of one tenant: 4096
	Queue      time.Duration // 1 s
	Drain      time.Duration // after which a write that is still under way to a side that is left is cut: 10 s
	Header     time.Duration // for an upstream to begin its answer, counted from the request's last byte: 60 s
	Idle       time.Duration // for a client to send or take the next bytes of a body: 30 s
	Beat       time.Duration // between heartbeats: 1 s

	Admin     net.Listener // where metrics are told, too; nil: nowhere. It is closed at the end.
	ClientTLS *tls.Config  // towards services
	TLS       *tls.Config  // towards clients; nil: plain HTTP
	Log       *slog.Logger
	Trace     *telemetry.Tracer
}

// Gateway is one. Serve runs it.
type Gateway struct {
	Options
	service   *service.Service
	authorize *scope.Authorizer
	table     *table
	traffic   *traffic
	buffer    *buffer
	rate      *limit.Rate
	slots     *limit.Slots
	streams   *limit.Slots
	metrics   *metrics
	proxy     *httputil.ReverseProxy
	transport *http.Transport

	wake    chan struct{} // there may be a new epoch to acknowledge
	leaving chan struct{} // closed when held writes should no longer wait
}

// New checks the options. Serve must be called, once.
func New(opts Options) (*Gateway, error) {
	opts.defaults()
	table, err := newTable(opts.Services)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		Options: opts, table: table,
		authorize: &scope.Authorizer{Tenants: opts.Directory, Verifier: token.Remember(opts.Verifier), Domain: opts.Domain},
		buffer:    newBuffer(opts.Hold), rate: limit.NewRate(limit.RateOptions{}),
		slots: limit.NewSlots(opts.Concurrent, opts.Concurrent), streams: limit.NewSlots(opts.Streams, 0),
		wake: make(chan struct{}, 1), leaving: make(chan struct{}),
	}
	g.traffic = newTraffic(opts.Directory, g.wakeUp)
	g.service, err = service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Calls: table.names},
		Description: description, Log: opts.Log, TLS: opts.TLS,
	})
	if err != nil {
		return nil, err
	}
	g.metrics = newMetrics(g.service.Registry, g)
	g.transport = newTransport(opts)
	g.proxy = newProxy(g)
	opts.Directory.Subscribe(g.changed)
	return g, nil
}

func (o *Options) defaults() {
	if o.ID == "" {
		o.ID = "gateway-" + rand.Text()[:10]
	}
	if o.Domain == "" {
		o.Domain = "localhost"
	}
	if o.LegacyURL == nil {
		o.LegacyURL = func(tenant.Name) string { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	number := func(n *int, otherwise int) {
		if *n <= 0 {
			*n = otherwise
		}
	}
	number(&o.Concurrent, 256)
	number(&o.Streams, 4096)
	duration := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	duration(&o.Queue, time.Second)
	duration(&o.Drain, 10*time.Second)
	duration(&o.Header, time.Minute)
	duration(&o.Idle, 30*time.Second)
	duration(&o.Beat, time.Second)
	o.Hold.defaults()
}

// Version is what the gateway says of itself.
func (g *Gateway) Version() service.Version { return g.service.Version }

// Operations are none: the gateway's routes are the services'.
func (g *Gateway) Operations() []service.Operation { return g.service.Operations() }

// catchUp is for how long a gateway that begins waits for its directory to be as new as the records.
const catchUp = 15 * time.Second

// adminTime bounds a request of an operator.
const adminTime = 30 * time.Second

// goodbye is how long the records may take to be told that a gateway has ended.
const goodbye = 5 * time.Second

// holdAtEnd is for how long writes that are held may wait after the word to end: less than the service's time to drain.
const holdAtEnd = 15 * time.Second

// Serve answers on a listener until ctx is over and what is under way is done. It serves only once its word is waited for.
func (g *Gateway) Serve(ctx context.Context, listener net.Listener) error {
	defer g.transport.CloseIdleConnections()
	administer := g.administer()
	defer administer()
	if err := g.begin(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { defer close(ended); g.beat(beating) }()
	left := make(chan struct{})
	served, cancel := context.WithCancel(ctx)
	go func() { defer close(left); g.leave(served, beating) }()

	err := g.service.ServeHandler(ctx, listener, g.Handler())
	cancel()
	g.traffic.closeStreams(errEnding) // of connections that were taken over, the server doesn't know
	stop()
	<-ended
	<-left
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	return errors.Join(err, g.Records.GatewayGone(last, g.ID))
}

// administer tells operators how the gateway is, at an address of their own, until what it returns is called.
func (g *Gateway) administer() (end func()) {
	if g.Admin == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	g.service.Observe(mux)
	g.service.ObserveMetrics(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: adminTime, ReadTimeout: adminTime, WriteTimeout: adminTime}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(g.Admin); !errors.Is(err, http.ErrServerClosed) {
			g.Log.Error("the gateway's metrics are told no more", "error", err)
		}
	}()
	return func() { _ = server.Close(); <-ended }
}

// leave ends at the word to end what would go on for ever, and later what waits too long to be waited for.
func (g *Gateway) leave(ctx, served context.Context) {
	<-ctx.Done()
	g.traffic.closeStreams(errEnding)
	timer := time.NewTimer(holdAtEnd)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-served.Done():
	}
	close(g.leaving)
}

// begin says that the gateway is there, and then waits until its routes are as new as the records were at that moment: whoever
// changed a route and didn't know of us to wait for, did so before.
func (g *Gateway) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	alive, err := g.Records.GatewaySeen(ctx, g.ID, 0)
	if err != nil {
		return err
	}
	g.rate.Share(alive)
	epoch, err := g.Records.RouteEpoch(ctx)
	if err != nil {
		return err
	}
	for g.Directory.Epoch() < epoch {
		select {
		case <-ctx.Done():
			return fmt.Errorf("gateway %s: its directory is at epoch %d, the records at %d: %w", g.ID, g.Directory.Epoch(), epoch, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	g.wakeUp()
	return nil
}
