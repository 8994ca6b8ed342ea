package service

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Range is which schema versions of a stream a service can work with, both ends included.
type Range struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Version is what a service says of itself at /version, and to the records of what runs.
type Version struct {
	Service string           `json:"service"`
	Build   string           `json:"build"`
	Serves  map[string]Range `json:"serves,omitempty"` // by stream
	Calls   []string         `json:"calls,omitempty"`  // services that it asks over HTTP
}

// Options say what a service is.
type Options struct {
	Version     Version
	Description []byte             // OpenAPI
	Handlers    map[string]Handler // by operationId: all of the description's, and no others
	Authorize   *scope.Authorizer  // who asks; nil for a service of public operations only
	// Allow says who may ask where requests are no tenant's: a service has it or Authorize.
	Allow func(*http.Request) error
	Ready func(context.Context) error
	Log   *slog.Logger
	Trace *telemetry.Tracer // nil: its spans are ids and nothing else
	TLS   *tls.Config
	Read  time.Duration // for a request's body to come; 0 means a minute
}

// Service answers HTTP.
type Service struct {
	Options
	Registry    *prometheus.Registry // what /metrics tells; further collectors may be added
	description *Description
	metrics     *metrics
	draining    atomic.Bool
	ending      chan struct{}
}

const (
	// DefaultMaxBody bounds a request's body where its operation says nothing, in bytes.
	DefaultMaxBody = 1 << 20

	readHeaderTimeout = 10 * time.Second
	readTime          = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeader         = 64 << 10
	// leaveTime is for load balancers and gateways to see that we are no longer ready.
	leaveTime = 200 * time.Millisecond
	drainTime = 20 * time.Second
)

// New checks that a service does what its description says.
func New(opts Options) (*Service, error) {
	description, err := Describe(opts.Description)
	if err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Read == 0 {
		opts.Read = readTime
	}
	known := map[string]bool{}
	for _, o := range description.Operations {
		known[o.ID] = true
		if opts.Handlers[o.ID] == nil {
			return nil, fmt.Errorf("service %s: operation %s has no handler: %w", opts.Version.Service, o.ID, tenant.ErrInvalid)
		}
		if !o.Public && opts.Authorize == nil && opts.Allow == nil {
			return nil, fmt.Errorf("service %s: operation %s needs a token and nobody checks it: %w", opts.Version.Service, o.ID, tenant.ErrInvalid)
		}
	}
	for id := range opts.Handlers {
		if !known[id] {
			return nil, fmt.Errorf("service %s: the description has no operation %s: %w", opts.Version.Service, id, tenant.ErrInvalid)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Service{Options: opts, Registry: registry, description: description, metrics: newMetrics(registry, opts.Version.Service), ending: make(chan struct{})}, nil
}

// Name is the service's.
func (s *Service) Name() string { return s.Version.Service }

// Ending is closed when the service is about to end: an answer that is a stream is to end, too.
func (s *Service) Ending() <-chan struct{} { return s.ending }

// Operations are the service's routes.
func (s *Service) Operations() []Operation { return s.description.Operations }

// Handler answers the service's routes, /healthz, /readyz, /version, /metrics and /openapi.yaml.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, o := range s.description.Operations {
		mux.Handle(o.pattern(), s.operation(o, s.Handlers[o.ID]))
	}
	s.Observe(mux)
	s.ObserveMetrics(mux)
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(s.description.Text())
	})
	return s.outermost(mux)
}

// Observe adds what tells whether the service is well, and which it is.
func (s *Service) Observe(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Version)
	})
}

// ObserveMetrics adds what the service counts. Some of it is for operators only: how much there is to do, and for whom.
func (s *Service) ObserveMetrics(mux *http.ServeMux) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
}

func (s *Service) ready(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		Refuse(http.StatusServiceUnavailable, "draining", "the service is about to end").Write(w)
		return
	}
	if s.Ready != nil {
		if err := s.Ready(r.Context()); err != nil {
			s.Log.WarnContext(r.Context(), "not ready", "error", err)
			Refuse(http.StatusServiceUnavailable, "not-ready", "something the service needs is away").Write(w)
			return
		}
	}
	_, _ = w.Write([]byte("ok\n"))
}

// Serve answers on a listener until ctx is over. Then it says that it isn't ready, takes no more connections, and waits for the
// requests it has.
func (s *Service) Serve(ctx context.Context, listener net.Listener) error {
	return s.ServeHandler(ctx, listener, s.Handler())
}

// ServeHandler is Serve with another handler: the gateway's. How long a request and its answer may take is the handler's to bound, by deadlines
// of its own: a bound of the server's would end streams.
func (s *Service) ServeHandler(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), TLSConfig: s.TLS,
		// A request outlives the word to end; what it does is bounded by its own timeouts.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	if s.TLS != nil {
		listener = tls.NewListener(listener, s.TLS)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", s.Name(), err)
	case <-ctx.Done():
	}
	if !s.draining.Swap(true) {
		close(s.ending)
	}
	time.Sleep(leaveTime)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain %s: %w", s.Name(), err), server.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
