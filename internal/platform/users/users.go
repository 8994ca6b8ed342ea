// Package users is the platform's service of users, roles and permissions. Whether somebody is who they say is the service
// auth's to tell; it asks this one who that is and what they may do.
package users

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"

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
func Serves() service.Range { return service.Range{From: 2, To: 2} }

// Stream reads the service's schema migrations.
func Stream() (*stream.Stream, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return stream.Read(Service, files)
}

// Store runs transactions of a tenant; scope.Pools does.
type Store interface {
	Tx(ctx context.Context, t scope.Tenant, do func(context.Context, scope.Tx) error) error
	Read(ctx context.Context, t scope.Tenant, queue func(*pgx.Batch)) error
}

// Options say what the service works with.
type Options struct {
	Build     string
	Authorize *scope.Authorizer
	Store     Store
	Ready     func(context.Context) error
	Log       *slog.Logger
}

// users answers the service's operations.
type users struct{ store Store }

// New makes the service.
func New(opts Options) (*service.Service, error) {
	u := &users{store: opts.Store}
	return service.New(service.Options{
		Version:     service.Version{Service: Service, Build: opts.Build, Serves: map[string]service.Range{Service: Serves()}},
		Description: description,
		Handlers: map[string]service.Handler{
			"getMe": u.getMe, "listUsers": u.listUsers, "createUser": u.createUser, "getUser": u.getUser, "updateUser": u.updateUser,
			"deleteUser": u.deleteUser, "listRoles": u.listRoles, "createRole": u.createRole, "getRole": u.getRole,
			"updateRole": u.updateRole, "deleteRole": u.deleteRole, "findAccess": u.findAccess, "getAccess": u.getAccess,
		},
		Authorize: opts.Authorize, Ready: opts.Ready, Log: opts.Log,
	})
}
