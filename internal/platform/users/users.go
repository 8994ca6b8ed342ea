// Package users is the platform's service of users, roles and permissions. Whether somebody is who they say is the service
// auth's to tell; it asks this one who that is and what they may do.
package users

import (
	"context"
	"embed"
	"log/slog"
	"net/http"

	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/stream"
)

// Service is the name of the service and of its stream.
const Service = "users"

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed openapi.yaml
var description []byte

// Serves are the schema versions that the service works with.
func Serves() service.Range { return service.Range{From: 2, To: withIdempotency} }

// withIdempotency is the version that brings the table of answers.
const withIdempotency = 3

// Stream reads the service's schema migrations.
func Stream() (*stream.Stream, error) {
	return stream.ReadEmbedded(Service, migrations)
}

// Passwords are where users' passwords are kept.
type Passwords interface {
	// Remove has a user's password forgotten, in the caller's name.
	Remove(ctx context.Context, caller *http.Request, id string) error
}

// Options say what the service works with.
type Options struct {
	Build     string
	Authorize *scope.Authorizer
	Pools     *scope.Pools
	Passwords Passwords // the service auth; nil: nobody keeps any
	Ready     func(context.Context) error
	Log       *slog.Logger
}

// users answers the service's operations.
type users struct {
	store     *scope.Pools
	passwords Passwords
}

// New makes the service.
func New(opts Options) (*service.Service, error) {
	u := &users{store: opts.Pools, passwords: opts.Passwords}
	writes := idempotency.Writes{Store: opts.Pools, Service: Service, Since: withIdempotency}
	return service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: Serves()}, Calls: []string{"auth"}},
		Description: description,
		Handlers: map[string]service.Handler{
			"getMe": u.getMe, "findUnknown": u.findUnknown, "listUsers": u.listUsers, "createUser": writes.Handler(u.createUser), "getUser": u.getUser,
			"updateUser": writes.Handler(u.updateUser),
			"deleteUser": writes.Handler(u.deleteUser), "listRoles": u.listRoles, "createRole": writes.Handler(u.createRole), "getRole": u.getRole,
			"updateRole": writes.Handler(u.updateRole), "deleteRole": writes.Handler(u.deleteRole), "findAccess": u.findAccess, "getAccess": u.getAccess,
		},
		Authorize: opts.Authorize, Ready: opts.Ready, Log: opts.Log,
	})
}
