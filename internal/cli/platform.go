package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/config"
	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/gateway"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/platform/messaging"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// serviceOrder are the platform's services, each after those that it calls.
var serviceOrder = []string{users.Service, auth.Service, core.Service, notifications.Service, messaging.Service, gateway.Service} //nolint:gochecknoglobals // a constant list

// platform is what the services of one process share.
type platform struct {
	f          *Factory
	log        *slog.Logger
	collected  *telemetry.Collected // nil: nobody collects spans
	build      string
	domain     string
	admin      string // where the gateway tells its metrics; empty: nowhere
	settings   config.Platform
	tls        *tls.Config // at --listen; nil: plain HTTP
	authority  *tls.Config // for calls
	front      string      // the service at --listen
	client     tenant.Name // whose monolith runs here; empty: nobody's
	records    *registry.Registry
	directory  *scope.Directory
	broker     *bus.Broker // nil: there is no bus
	busMetrics *bus.Metrics
	busShown   bool                        // among the metrics of a service
	beside     []func(ctx context.Context) // what runs beside the services
	own        map[string]string           // where this process's services answer, by name
	legacies   legacies

	mu           sync.Mutex
	provisioners map[string]*provision.Provisioner // by instance
}

// answering is a service that can run.
type answering interface {
	Serve(ctx context.Context, listener net.Listener) error
}

// made is a service, and what it says of itself.
type made struct {
	answering
	version service.Version
	name    string // in the records; empty: the service's
}

type runnable struct {
	service  made
	listener net.Listener
	url      string
	said     registry.RunningService
}

func newPlatform(ctx context.Context, f *Factory, opts *serveOptions) (*platform, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	p := &platform{f: f, log: f.serviceLog("serve"), build: thisBuild().Version, admin: opts.Admin, client: tenant.Name(opts.Tenant), own: map[string]string{}, provisioners: map[string]*provision.Provisioner{}}
	if err := p.configure(file.Platform(), opts.Domain); err != nil {
		return nil, err
	}
	if p.collected, err = f.collect(ctx, p.settings, p.logOf(processItself)); err != nil {
		return nil, err
	}
	if p.records, err = f.Registry(ctx); err != nil {
		return nil, err
	}
	prefixes := map[string]string{}
	for _, instance := range file.Instances() {
		prefixes[instance.Name] = instance.RolePrefix
	}
	p.directory, err = scope.OpenDirectory(ctx, p.records, prefixes, p.logOf(processItself))
	return p, err
}

// service makes a service.
func (p *platform) service(ctx context.Context, name string) (made, error) {
	switch name {
	case users.Service:
		return p.users(ctx)
	case auth.Service:
		return p.auth(ctx)
	case core.Service:
		return p.core(ctx)
	case notifications.Service:
		return p.notifications(ctx)
	case messaging.Service:
		return p.messaging(ctx)
	case gateway.Service:
		return p.gateway(ctx)
	case legacy.Service:
		return p.legacy(ctx)
	}
	return made{}, fmt.Errorf("service %q: %w", name, tenant.ErrNotFound)
}

const (
	heartbeatPause = 2 * time.Second
	goodbyeTime    = 5 * time.Second
)

// run runs services until ctx is over or one of them fails.
func (p *platform) run(ctx context.Context, list []runnable) error {
	group, ctx := errgroup.WithContext(ctx)
	// What requests are led by outlives the word to end, since requests do.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	var followers sync.WaitGroup
	defer func() { stop(); followers.Wait() }()
	followers.Go(func() { p.directory.Run(following) })
	if slices.ContainsFunc(list, func(r runnable) bool { return r.service.version.Service == gateway.Service }) {
		followers.Go(func() { p.legacies.follow(following, p.records, p.logOf(processItself)) })
	}
	// Who finds one of us ready finds all of us in the records.
	for i := range list {
		list[i].said = list[i].says()
		p.seen(ctx, list[i].said)
	}
	for _, run := range p.beside {
		group.Go(func() error { run(ctx); return nil })
	}
	for _, r := range list {
		group.Go(func() error { return r.service.Serve(ctx, r.listener) })
		group.Go(func() error { p.beat(ctx, r.said); return nil })
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// says is what a service says of itself.
func (r runnable) says() registry.RunningService {
	said := registry.RunningService{
		ID: rand.Text(), Service: cmp.Or(r.service.name, r.service.version.Service), URL: r.url, Build: r.service.version.Build, Calls: r.service.version.Calls,
		Serves: map[string]registry.ServedRange{},
	}
	for stream, versions := range r.service.version.Serves {
		said.Serves[stream] = registry.ServedRange(versions)
	}
	return said
}

// seen records a heartbeat. The service goes on while the control database is away.
func (p *platform) seen(ctx context.Context, said registry.RunningService) {
	if err := p.records.ServiceSeen(ctx, said); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "heartbeat", "service", said.Service, "error", err)
	}
}

// beat says that a service runs, until it doesn't.
func (p *platform) beat(ctx context.Context, said registry.RunningService) {
	ticker := time.NewTicker(heartbeatPause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.seen(ctx, said)
			continue
		case <-ctx.Done():
		}
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
		defer cancel()
		if err := p.records.ServiceGone(goodbye, said.ID); err != nil {
			p.log.WarnContext(goodbye, "heartbeat", "service", said.Service, "error", err)
		}
		return
	}
}
