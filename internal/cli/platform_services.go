package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/gateway"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/platform/messaging"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

func (p *platform) users(ctx context.Context) (made, error) {
	store, err := p.pools(ctx, users.Service)
	if err != nil {
		return made{}, err
	}
	authorize, err := p.authorizer(ctx)
	if err != nil {
		return made{}, err
	}
	client, err := p.caller(ctx, auth.Service)
	if err != nil {
		return made{}, err
	}
	return p.of(users.New(users.Options{Build: p.build, Authorize: authorize, Pools: store, Passwords: &users.PasswordsOverHTTP{Call: client}, Ready: p.ready, Log: p.logOf(users.Service)}))
}

// caller calls another service; it is closed with the process.
func (p *platform) caller(ctx context.Context, service string) (*call.Client, error) {
	at, err := p.url(ctx, service)
	if err != nil {
		return nil, err
	}
	client, err := call.New(call.Options{Target: service, URL: at, Transport: p.transport()})
	if err == nil {
		p.f.onClose(func(context.Context) { client.Close() })
	}
	return client, err
}

func (p *platform) auth(ctx context.Context) (made, error) {
	store, err := p.pools(ctx, auth.Service)
	if err != nil {
		return made{}, err
	}
	keys, err := p.keys()
	if err != nil {
		return made{}, err
	}
	client, err := p.caller(ctx, users.Service)
	if err != nil {
		return made{}, err
	}
	return p.of(auth.New(auth.Options{
		Build: p.build, Authorize: &scope.Authorizer{Tenants: p.directory, Verifier: keys, Domain: p.domain}, Store: store, Keys: keys,
		Users: &auth.UsersOverHTTP{Keys: keys, Call: client}, Proxies: p.settings.Proxies, Ready: p.ready, Log: p.logOf(auth.Service),
	}))
}

func (p *platform) core(ctx context.Context) (made, error) {
	store, err := p.pools(ctx, core.Service)
	if err != nil {
		return made{}, err
	}
	authorize, err := p.authorizer(ctx)
	if err != nil {
		return made{}, err
	}
	remembered, err := p.cache()
	if err != nil {
		return made{}, err
	}
	working, err := p.workers(core.Service, store, core.Kinds(), 0)
	if err != nil {
		return made{}, err
	}
	s, err := core.New(core.Options{
		Build: p.build, Authorize: authorize, Pools: store, Cache: remembered, Announce: p.broker != nil, Jobs: working, Log: p.logOf(core.Service),
	})
	if err != nil {
		return made{}, err
	}
	return p.of(s, p.showBus(s))
}

// mailingSlots leave requests and single mails connections: a mailing keeps one while the mail server answers.
const mailingSlots = 4

func (p *platform) notifications(ctx context.Context) (made, error) {
	store, err := p.pools(ctx, notifications.Service)
	if err != nil {
		return made{}, err
	}
	authorize, err := p.authorizer(ctx)
	if err != nil {
		return made{}, err
	}
	opts := notifications.Options{Build: p.build, Authorize: authorize, Pools: store, Broker: p.broker, Metrics: p.busMetrics, Ready: p.ready, Log: p.logOf(notifications.Service)}
	if !p.settings.Mail.IsZero() {
		address, err := p.f.resolve(p.settings.Mail)
		if err != nil {
			return made{}, err
		}
		if opts.Mailer, err = notifications.OpenSMTP(address, p.settings.MailFrom); err != nil {
			return made{}, err
		}
	}
	if opts.Jobs, err = p.workers(notifications.Service, store, notifications.Kinds(opts.Mailer), mailingSlots); err != nil {
		return made{}, err
	}
	n, err := notifications.New(opts)
	if err != nil {
		return made{}, err
	}
	p.beside = append(p.beside, n.Listen)
	return p.of(n.Service, p.showBus(n.Service))
}

func (p *platform) messaging(ctx context.Context) (made, error) {
	store, err := p.pools(ctx, messaging.Service)
	if err != nil {
		return made{}, err
	}
	authorize, err := p.authorizer(ctx)
	if err != nil {
		return made{}, err
	}
	file, err := p.f.Config()
	if err != nil {
		return made{}, err
	}
	opts := messaging.Options{
		Build: p.build, Authorize: authorize, Pools: store, Announce: p.broker != nil && hasBuiltin(file, notifications.Service), Ready: p.ready, Log: p.logOf(messaging.Service),
	}
	if hasBuiltin(file, users.Service) {
		client, err := p.caller(ctx, users.Service)
		if err != nil {
			return made{}, err
		}
		opts.People = &messaging.UsersOverHTTP{Call: client}
	}
	s, err := messaging.New(opts)
	if err != nil {
		return made{}, err
	}
	return p.of(s, p.showBus(s))
}

// gateway makes the gateway, with the platform's services behind it and a user's own that say where they answer.
func (p *platform) gateway(ctx context.Context) (made, error) {
	file, err := p.f.Config()
	if err != nil {
		return made{}, err
	}
	verifier, err := p.verifier(ctx)
	if err != nil {
		return made{}, err
	}
	var backends []gateway.Backend
	behind := map[string]func() ([]service.Operation, error){users.Service: users.Operations, auth.Service: auth.Operations, core.Service: core.Operations}
	for name, described := range map[string]func() ([]service.Operation, error){notifications.Service: notifications.Operations, messaging.Service: messaging.Operations} {
		if len(missing(file, name)) == 0 {
			behind[name] = described
		}
	}
	for name, described := range behind {
		operations, err := described()
		if err != nil {
			return made{}, err
		}
		at, err := p.url(ctx, name)
		if err != nil {
			return made{}, err
		}
		backends = append(backends, gateway.Backend{Name: name, URL: at, Operations: operations})
	}
	for _, s := range file.Streams() {
		if !s.Builtin && s.URL != "" {
			backends = append(backends, gateway.Backend{Name: s.Name, URL: s.URL, Prefix: "/v1/" + s.Name})
		}
	}
	admin, err := p.adminListener(ctx)
	if err != nil {
		return made{}, err
	}
	limits := p.settings.Limits
	g, err := gateway.New(gateway.Options{
		Build: p.build, Directory: p.directory, Records: p.records, Verifier: verifier, Domain: p.domain, Services: backends,
		LegacyURL: func(name tenant.Name) string { return cmp.Or(file.LegacyURL(name), p.legacies.url(name)) }, Log: p.logOf(gateway.Service), Trace: p.collected.Edge(gateway.Service),
		Admin: admin, TLS: p.ofFront(gateway.Service), ClientTLS: p.authority, Concurrent: limits.RequestsAtOnce, Streams: limits.StreamsAtOnce,
		Hold: gateway.HoldLimits{Requests: limits.HeldWrites, Wait: limits.HeldFor},
	})
	if err != nil {
		return made{}, err
	}
	return made{answering: g, version: g.Version()}, nil
}

// adminListener is where the gateway tells its metrics; nil where that wasn't asked for.
func (p *platform) adminListener(ctx context.Context) (net.Listener, error) {
	if p.admin == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.admin)
	if err != nil {
		return nil, tenant.WithHint(fmt.Errorf("listen at %s: %w", p.admin, err), "give another address with --admin-listen")
	}
	p.f.Tell("metrics of the gateway at http://%s/metrics", reachable(listener.Addr()))
	return listener, nil
}

// legacy makes a client's monolith.
func (p *platform) legacy(ctx context.Context) (made, error) {
	dsn, err := p.f.LegacyDSN(p.client)
	if err != nil {
		return made{}, err
	}
	keys, err := p.keys()
	if err != nil {
		return made{}, err
	}
	app, err := legacy.Open(ctx, legacy.Options{Build: p.build, Tenant: p.client, DSN: dsn, Keys: keys, Domain: p.domain, Log: p.logOf(legacy.Service)})
	if err != nil {
		return made{}, err
	}
	p.f.onClose(func(context.Context) { app.Close() })
	app.TLS, app.Trace = p.ofFront(legacy.Service), p.collected.Tracer(legacy.Service)
	return made{answering: app, version: app.Version, name: monolithOf(p.client)}, nil
}

// of is a service as it runs here.
func (p *platform) of(s *service.Service, err error) (made, error) {
	if err != nil {
		return made{}, err
	}
	s.TLS, s.Trace = p.ofFront(s.Name()), p.collected.Tracer(s.Name())
	return made{answering: s, version: s.Version}, nil
}

// pools opens a service's connections to the cells that there are.
func (p *platform) pools(ctx context.Context, name string) (*scope.Pools, error) {
	var cells []scope.Cell
	for _, t := range p.directory.All() {
		cell := scope.Cell{Instance: t.Instance, Cell: t.Cell}
		if t.State == tenant.Active && t.Has(name) && t.Cell != "" && !slices.Contains(cells, cell) {
			cells = append(cells, cell)
		}
	}
	pools, err := scope.OpenPools(ctx, scope.PoolOptions{Service: name, MaxConns: p.settings.Limits.Connections, Share: p.settings.Limits.ConnectionsPerTenant, Log: p.logOf(name), Login: func(ctx context.Context, cell scope.Cell) (string, error) {
		provisioner, err := p.provisioner(ctx, cell.Instance)
		if err != nil {
			return "", err
		}
		login, err := provisioner.Login(cell.Cell, name)
		if err != nil {
			return "", err
		}
		dsn, err := p.f.InstanceDSN(ctx, cell.Instance)
		if err != nil {
			return "", err
		}
		return withLogin(dsn, login.Role, login.Password), nil
	}}, cells)
	if err != nil {
		return nil, err
	}
	p.f.onClose(func(context.Context) { pools.Close() })
	return pools, nil
}

// provisioner knows an instance's names and passwords; it is opened once.
func (p *platform) provisioner(ctx context.Context, instance string) (*provision.Provisioner, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.provisioners[instance]; known != nil {
		return known, nil
	}
	opened, err := p.f.Provisioner(ctx, instance, p.records, provisionerOptions{})
	if err == nil {
		p.provisioners[instance] = opened
	}
	return opened, err
}

// ready tells whether the records can be reached: what a service needs to hear of tenants.
func (p *platform) ready(ctx context.Context) error { return p.records.Pool().Ping(ctx) }

// url is where a service answers: in this process, where tenants.yaml says, or where it says itself.
func (p *platform) url(ctx context.Context, name string) (string, error) {
	if at := p.own[name]; at != "" {
		return at, nil
	}
	file, err := p.f.Config()
	if err != nil {
		return "", err
	}
	for _, s := range file.Streams() {
		if s.Name == name && s.URL != "" {
			return s.URL, nil
		}
	}
	running, err := p.records.Running(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range running {
		if s.Service == name && s.URL != "" {
			return s.URL, nil
		}
	}
	return "", tenant.WithHint(fmt.Errorf("where service %s answers isn't known: %w", name, tenant.ErrNotFound),
		fmt.Sprintf("start it (`tenantctl serve %s`), or set services.%s.url in tenants.yaml", name, name))
}

// verifier checks tokens by the keys that auth publishes.
func (p *platform) verifier(ctx context.Context) (token.Verifier, error) {
	at, err := p.url(ctx, auth.Service)
	if err != nil {
		return nil, err
	}
	opts := token.RemoteOptions{Log: p.logOf(processItself)}
	if transport := p.transport(); transport != nil {
		opts.Client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return token.NewRemote(at+"/v1/auth/keys", opts), nil
}

func (p *platform) authorizer(ctx context.Context) (*scope.Authorizer, error) {
	verifier, err := p.verifier(ctx)
	if err != nil {
		return nil, err
	}
	return &scope.Authorizer{Tenants: p.directory, Verifier: token.Remember(verifier), Domain: p.domain}, nil
}

// keys are what auth signs with.
func (p *platform) keys() (*token.Keyring, error) {
	file, err := p.f.Config()
	if err != nil {
		return nil, err
	}
	return token.OpenKeyring(file.KeysDir(), token.KeyringOptions{Log: p.logOf(auth.Service)})
}
