package messaging

import (
	"context"
	"embed"
	"log/slog"
	"time"

	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/stream"
)

// Service is the name of the service and of its stream.
const Service = "messaging"

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed openapi.yaml
var description []byte

const withIdempotency = 3

// Serves are the schema versions that the service works with.
func Serves() service.Range { return service.Range{From: withIdempotency, To: withIdempotency} }

// Stream reads the service's schema migrations.
func Stream() (*stream.Stream, error) {
	return stream.ReadEmbedded(Service, migrations)
}

// Options say what the service works with.
type Options struct {
	Build     string
	Authorize *scope.Authorizer
	Pools     *scope.Pools
	People    People        // the service users; nil: nobody is asked whether participants are users
	Announce  bool          // publish that messages were sent: somebody listens
	Poll      time.Duration // how often it is looked for messages, for each tenant with open streams; 0 means 250 ms
	Heartbeat time.Duration // of a stream in which nothing happens; 0 means 15 s
	Ready     func(context.Context) error
	Log       *slog.Logger
}

const (
	defaultPoll      = 250 * time.Millisecond
	defaultHeartbeat = 15 * time.Second
)

// server answers the service's operations.
type server struct {
	opts  Options
	store *scope.Pools
	hub   *hub
	ends  <-chan struct{} // closed when the service is about to end
}

// New makes the service.
func New(opts Options) (*service.Service, error) {
	if opts.Poll == 0 {
		opts.Poll = defaultPoll
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = defaultHeartbeat
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	var calls []string
	if opts.People != nil {
		calls = []string{"users"}
	}
	s := &server{opts: opts, store: opts.Pools, hub: newHub(opts)}
	writes := idempotency.Writes{Store: opts.Pools, Service: Service, Since: withIdempotency}
	made, err := service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: Serves()}, Calls: calls},
		Description: description,
		Handlers: map[string]service.Handler{
			"listConversations": s.listConversations, "createConversation": writes.Asking(s.known, s.createConversation), "getConversation": s.getConversation,
			"listMessages": s.listMessages, "sendMessage": writes.Handler(s.sendMessage), "readMessages": writes.Handler(s.readMessages),
			"addParticipant": writes.Asking(s.known, s.addParticipant), "leaveConversation": writes.Handler(s.leaveConversation), "streamConversations": s.stream,
		},
		Authorize: opts.Authorize, Ready: opts.Ready, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	s.ends = made.Ending()
	return made, made.Registry.Register(opts.Pools)
}
