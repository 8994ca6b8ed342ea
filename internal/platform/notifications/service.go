package notifications

import (
	"context"
	"embed"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/stream"
)

// Service is the name of the service and of its stream.
const Service = "notifications"

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed openapi.yaml
var description []byte

const (
	withIdempotency = 5
	withMailings    = 6
)

// Serves are the schema versions that the service works with.
func Serves() service.Range { return service.Range{From: withIdempotency, To: withMailings} }

// Stream reads the service's schema migrations.
func Stream() (*stream.Stream, error) {
	return stream.ReadEmbedded(Service, migrations)
}

// Options say what the service works with.
type Options struct {
	Build     string
	Authorize *scope.Authorizer
	Pools     *scope.Pools
	Broker    *bus.Broker
	Metrics   *bus.Metrics
	Mailer    Mailer        // nil: there is no mail, and nobody can ask for it
	Jobs      *jobs.Metrics // of the workers that send mailings (Kinds); nil: none run, and mailings are refused
	// DigestAt is when a daily mail goes out that is due next; nil means at 07:00 UTC.
	DigestAt func(now time.Time) time.Time
	// Delays and Attempts are the consumers' own.
	Delays   []time.Duration
	Attempts int
	Ready    func(context.Context) error
	Log      *slog.Logger
}

// Notifications is the service: what answers requests, and what listens to events.
type Notifications struct {
	*service.Service
	opts  Options
	store *scope.Pools
}

// New makes the service.
func New(opts Options) (*Notifications, error) {
	if opts.DigestAt == nil {
		opts.DigestAt = nextMorning
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifications{opts: opts, store: opts.Pools}
	var err error
	n.Service, err = service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: Serves()}},
		Description: description,
		Handlers:    n.handlers(idempotency.Writes{Store: opts.Pools, Service: Service, Since: withIdempotency}),
		Authorize:   opts.Authorize, Ready: opts.Ready, Log: opts.Log,
	})
	if err != nil || opts.Jobs == nil {
		return n, err
	}
	return n, n.Registry.Register(opts.Jobs)
}

func (n *Notifications) handlers(writes idempotency.Writes) map[string]service.Handler {
	all := n.mailings(writes)
	maps.Copy(all, map[string]service.Handler{
		"listNotifications": n.list, "readNotification": writes.Handler(n.read), "getPreferences": n.getPreferences,
		"setPreferences": writes.Handler(n.setPreferences), "listTemplates": n.listTemplates, "setTemplate": writes.Handler(n.setTemplate),
		"deleteTemplate": writes.Handler(n.deleteTemplate),
	})
	return all
}

// Hears tells whether the service handles events of a type.
func Hears(kind string) bool {
	_, told := words[kind]
	return told || kind == digestDue || kind == mailReady
}

// Listen handles events until ctx ends: those that users are told of, services' and operators', and its own about mails to be sent.
func (n *Notifications) Listen(ctx context.Context) {
	var beside sync.WaitGroup
	beside.Go(func() { n.consumer(mailQueue, map[string]int{mailReady: 1}, n.send).Run(ctx) })
	fleet := bus.Listener{Broker: n.opts.Broker, Queue: queueOfFleet, Types: ofFleet, Handle: n.hearFleet, Log: n.opts.Log}
	beside.Go(func() { fleet.Run(ctx) })
	types := map[string]int{digestDue: 1}
	for kind := range words {
		if !slices.Contains(ofFleet, kind) {
			types[kind] = 1
		}
	}
	n.consumer(Service, types, n.tell).Run(ctx)
	beside.Wait()
}

// mailQueue is the consumer that sends what is ready to be sent.
const mailQueue = "mail"

// Consumers are the names of those that a process of this service runs.
func Consumers() []string { return []string{Service, mailQueue, queueOfFleet} }

func (n *Notifications) consumer(queue string, types map[string]int, handle func(context.Context, scope.Tx, bus.Message) error) *bus.Consumer {
	return &bus.Consumer{
		Broker: n.opts.Broker, Queue: queue, Types: types, Handle: handle, Pools: n.store, Tenants: n.opts.Authorize.Tenants,
		Delays: n.opts.Delays, Attempts: n.opts.Attempts, Metrics: n.opts.Metrics, Log: n.opts.Log, Trace: n.Trace,
	}
}
