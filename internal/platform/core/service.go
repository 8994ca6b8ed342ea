package core

import (
	"context"
	_ "embed"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"tenantctl/internal/platform/cache"
	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// The versions of the schema that the service works with: Oldest and all that come later.
const (
	Oldest          = 4
	withInvoices    = 5
	withIdempotency = 7
)

//go:embed openapi.yaml
var description []byte

// Pools run what is asked in transactions of tenants; *scope.Pools does.
type Pools interface {
	resource.Store
	prometheus.Collector
	Ping(ctx context.Context) error
}

// Options are what the service needs.
type Options struct {
	Build     string
	Pools     Pools
	Authorize *scope.Authorizer
	Cache     *cache.Cache  // nil: nothing is cached
	Announce  bool          // publish events; the instances have the bus
	Jobs      *jobs.Metrics // of the workers that do what is asked for; nil: none run, and long work is refused
	Log       *slog.Logger
}

// server answers core's operations.
type server struct{ cache *cache.Cache }

// New makes the service.
func New(opts Options) (*service.Service, error) {
	s, err := Stream()
	if err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	made, err := service.New(service.Options{
		Version: service.Version{
			Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: {From: Oldest, To: s.Newest()}},
		},
		Description: description, Handlers: handlers(opts), Authorize: opts.Authorize, Ready: opts.Pools.Ping, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	if opts.Cache != nil {
		if err := made.Registry.Register(opts.Cache); err != nil {
			return nil, err
		}
	}
	if opts.Jobs != nil {
		if err := made.Registry.Register(opts.Jobs); err != nil {
			return nil, err
		}
	}
	return made, made.Registry.Register(opts.Pools)
}

func handlers(opts Options) map[string]service.Handler {
	s := &server{cache: opts.Cache}
	writes := idempotency.Writes{Store: opts.Pools, Service: Service, Since: withIdempotency}
	all := map[string]service.Handler{}
	add := func(id string, since uint64, handle service.Handler) { all[id] = service.From(Service, since, handle) }
	for _, of := range []struct {
		*resource.Resource
		one, many string
		since     uint64
	}{
		{customers(), "Customer", "Customers", Oldest},
		{products(), "Product", "Products", Oldest},
		{orders(), "Order", "Orders", Oldest},
		{invoices(), "Invoice", "Invoices", withInvoices},
	} {
		add("list"+of.many, of.since, of.List(opts.Pools))
		add("get"+of.one, of.since, s.cached(of.Resource, of.Get(opts.Pools)))
		create, change := idempotency.Do(of.Create), idempotency.Do(of.Change)
		if opts.Announce {
			create, change = announced(of.Resource, create), announced(of.Resource, change)
		}
		add("create"+of.one, of.since, writes.Handler(create))
		add("change"+of.one, of.since, s.forget(of.Resource, writes.Handler(change)))
		add("delete"+of.one, of.since, s.forget(of.Resource, writes.Handler(of.Remove)))
	}
	for id, handle := range longWork(opts, writes) {
		add(id, withInvoices, handle)
	}
	return all
}
