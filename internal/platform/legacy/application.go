package legacy

import (
	"context"
	"fmt"
	"log/slog"

	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/tenant"
)

// oldest is the version of the schema from which on the application runs: rows are deleted by a flag.
const oldest = 6

// operations are those of the platform that the monolith's schema can answer. It has no place for roles of one's own, and people
// manage users and passwords in the monolith's own screens.
func operations() []string {
	list := []string{"login", "refresh", "logout", "getKeys", "getMe", "listUsers", "getUser"}
	for _, one := range []string{"Customer", "Product", "Order", "Invoice"} {
		list = append(list, "list"+one+"s", "get"+one, "create"+one, "change"+one, "delete"+one)
	}
	return list
}

// describe makes the application's description of the platform's.
func describe() ([]byte, error) {
	return service.Select(Service, `The old monolith of one client, with the platform's API as far as its schema goes. A member that the schema has no
column for is null in answers, and may be given as null only (not-kept). Numbers of customers are given by the monolith. An invoice belongs to an
order, and its customer is the order's. What was deleted is still in the tables, marked, and isn't shown.`,
		operations(), core.Description(), users.Description(), auth.Description())
}

// Options say what the application works with.
type Options struct {
	Build  string
	Tenant tenant.Name // whose database it is
	DSN    string
	Keys   *token.Keyring // the platform's: log-ins survive the switch, in both directions
	Domain string         // hosts are TENANT.Domain
	Log    *slog.Logger
}

// Application is the monolith: one client's, on that client's database.
type Application struct {
	*service.Service
	store *store
}

// Open connects to the client's database and makes the application. Close ends the connections.
func Open(ctx context.Context, opts Options) (*Application, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	store, err := openStore(ctx, opts.DSN)
	if err != nil {
		return nil, err
	}
	version, err := store.version(ctx)
	if err != nil {
		store.Close()
		return nil, err
	}
	made, err := newService(opts, store, version) //nolint:contextcheck // its requests bring contexts of their own
	if err != nil {
		store.Close()
		return nil, err
	}
	return &Application{made, store}, nil
}

// Close ends the connections.
func (a *Application) Close() { a.store.Close() }

func newService(opts Options, store *store, version uint64) (*service.Service, error) {
	s, err := Stream()
	if err != nil {
		return nil, err
	}
	if version < oldest || version > s.Newest() {
		return nil, fmt.Errorf("the monolith's schema of %s is at version %d, the application works with %d to %d: %w", opts.Tenant, version, oldest, s.Newest(), tenant.ErrInvalid)
	}
	description, err := describe()
	if err != nil {
		return nil, err
	}
	return service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: {From: oldest, To: s.Newest()}}},
		Description: description, Handlers: handlers(opts, store, version),
		Authorize: &scope.Authorizer{Tenants: only{scope.Tenant{Name: opts.Tenant, State: tenant.Active, Versions: map[string]uint64{Service: version}}}, Verifier: opts.Keys, Domain: opts.Domain},
		Ready:     store.Ping, Log: opts.Log,
	})
}

func handlers(opts Options, store *store, version uint64) map[string]service.Handler {
	p := people{tenant: opts.Tenant, store: store, keys: opts.Keys, log: opts.Log}
	all := map[string]service.Handler{
		"login": p.login, "refresh": p.refresh, "logout": p.logout, "getMe": p.getMe, "listUsers": p.listUsers, "getUser": p.getUser,
		"getKeys": func(*service.Request) (service.Response, error) { return auth.PublicKeys(opts.Keys), nil },
	}
	writes := idempotency.Writes{Store: store, Service: Service, Keys: keysInSettings()}
	for one, of := range map[string]*resource.Resource{"Customer": customers(version), "Product": products(), "Order": orders(), "Invoice": invoices()} {
		all["list"+one+"s"] = of.List(store)
		all["get"+one] = of.Get(store)
		all["create"+one] = writes.Handler(of.Create)
		all["change"+one] = writes.Handler(of.Change)
		all["delete"+one] = writes.Handler(of.Remove)
	}
	return all
}

// only is the one client whose database it is. Whether the client is suspended the gateway knows; the monolith never did.
type only struct{ client scope.Tenant }

// Tenant implements scope.Tenants.
func (o only) Tenant(name tenant.Name) (scope.Tenant, error) {
	if name != o.client.Name {
		return scope.Tenant{}, fmt.Errorf("tenant %q: %w", name, tenant.ErrNotFound)
	}
	return o.client, nil
}
