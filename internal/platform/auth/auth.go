package auth

import (
	"context"
	"embed"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Service is the name of the service and of its stream.
const Service = "auth"

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed openapi.yaml
var description []byte

// Serves are the schema versions that the service works with.
func Serves() service.Range { return service.Range{From: 3, To: 3} }

// Stream reads the service's schema migrations.
func Stream() (*stream.Stream, error) {
	return stream.ReadEmbedded(Service, migrations)
}

// Store runs transactions of a tenant; scope.Pools does.
type Store interface {
	Tx(ctx context.Context, t scope.Tenant, do func(context.Context, scope.Tx) error) error
}

// Access is what the service users says of a user.
type Access struct {
	ID          string   `json:"id"`
	Login       string   `json:"login"`
	Active      bool     `json:"active"`
	Permissions []string `json:"permissions"`
}

// Users is asked who a user is. tenant.ErrNotFound: there is no such user.
type Users interface {
	ByLogin(ctx context.Context, t tenant.Name, login string) (Access, error)
	ByID(ctx context.Context, t tenant.Name, id string) (Access, error)
}

// Options say what the service works with.
type Options struct {
	Build     string
	Authorize *scope.Authorizer
	Store     Store
	Keys      *token.Keyring
	Users     Users
	// Cost is of the hashes made; the zero value is DefaultCost. Parallel is how many are computed at once, each of which takes the
	// cost's memory; 0: as many as there are processors.
	Cost     Cost
	Parallel int
	// Proxies are networks from which X-Forwarded-For is believed; nil: this machine.
	Proxies []netip.Prefix
	Ready   func(context.Context) error
	Log     *slog.Logger
}

// auth answers the service's operations.
type auth struct {
	authorize *scope.Authorizer
	store     Store
	keys      *token.Keyring
	users     Users
	hashes    *hasher
	proxies   []netip.Prefix
	log       *slog.Logger
}

// New makes the service.
func New(opts Options) (*service.Service, error) {
	if opts.Cost == (Cost{}) {
		opts.Cost = DefaultCost()
	}
	if opts.Parallel == 0 {
		opts.Parallel = runtime.GOMAXPROCS(0)
	}
	if opts.Proxies == nil {
		opts.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	a := &auth{authorize: opts.Authorize, store: opts.Store, keys: opts.Keys, users: opts.Users, hashes: newHasher(opts.Cost, opts.Parallel), proxies: opts.Proxies, log: opts.Log}
	return service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: Serves()}, Calls: []string{"users"}},
		Description: description,
		Handlers: map[string]service.Handler{
			"login": a.login, "refresh": a.refresh, "logout": a.logout, "changePassword": a.changePassword, "setPassword": a.setPassword, "removePassword": a.removePassword, "getKeys": a.getKeys,
		},
		Authorize: opts.Authorize, Ready: opts.Ready, Log: opts.Log,
	})
}

// getKeys answers with the public keys. They may be kept for as long as a new key waits before it signs, and no longer.
func (a *auth) getKeys(*service.Request) (service.Response, error) {
	return PublicKeys(a.keys), nil
}

// PublicKeys answers with the public keys of a keyring.
func PublicKeys(keys *token.Keyring) service.Response {
	response := service.JSON(http.StatusOK, keys.KeySet())
	response.Header = http.Header{"Cache-Control": {"public, max-age=" + strconv.Itoa(int(token.CacheTime.Seconds()))}}
	return response
}

// tokens is a pair, as it is answered.
type tokens struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	TokenType    string `json:"tokenType"`
	ExpiresIn    int    `json:"expiresIn"`
}

// Pair answers with an access token for what the user may do now, and the refresh token given.
func Pair(keys *token.Keyring, user Access, refresh token.Claims) (service.Response, error) {
	refresh.Use, refresh.Login = token.Refresh, user.Login
	refreshToken, err := keys.Sign(refresh)
	if err != nil {
		return service.Response{}, err
	}
	accessToken, err := keys.Sign(token.Claims{Tenant: refresh.Tenant, Subject: user.ID, Login: user.Login, Permissions: user.Permissions, Use: token.Access})
	if err != nil {
		return service.Response{}, err
	}
	return service.JSON(http.StatusOK, tokens{accessToken, refreshToken, "Bearer", int(token.AccessLife.Seconds())}), nil
}
