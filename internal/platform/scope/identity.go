package scope

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/tenant"
)

var (
	// ErrForbidden is a caller who is known and may not.
	ErrForbidden = errors.New("forbidden")
	// ErrSuspended is a tenant whose service is suspended.
	ErrSuspended = errors.New("tenant suspended")
	// ErrBusy is a limit on what runs at once.
	ErrBusy = errors.New("busy")
	// ErrUnavailable is a server that can't be reached just now.
	ErrUnavailable = errors.New("database unavailable")
)

// Tenant is what a service knows of a tenant, at one moment.
type Tenant struct {
	Name           tenant.Name
	Instance, Cell string
	Schema         string
	RolePrefix     string // of the instance's roles
	State          tenant.State
	Route          tenant.Route
	Epoch          int64             // of the route
	HeldFrom       tenant.Route      // while the route is hold: what it was before
	Versions       map[string]uint64 // by stream
	Limits         tenant.Limits
	Services       []string
	Upstream       string   // where route platform sends a lifted tenant
	SearchPath     []string // of a lifted tenant
}

// Role is the tenant's role of a service.
func (t Tenant) Role(service string) (string, error) { return t.Name.RoleFor(t.RolePrefix, service) }

// Has tells whether the tenant has a service.
func (t Tenant) Has(service string) bool { return slices.Contains(t.Services, service) }

// Identity is who asks.
type Identity struct {
	Tenant      Tenant
	Subject     string // the user's id; empty before log-in and for services
	Login       string
	Permissions []string
	Service     string    // the service that asks in its own name; empty for users
	Expires     time.Time // of the token; an answer without an end ends then
}

// May tells whether a permission is given: by its own name, by all of its kind ("orders:*"), or by "*".
func (i Identity) May(permission string) bool {
	kind, _, _ := strings.Cut(permission, ":")
	return slices.ContainsFunc(i.Permissions, func(has string) bool { return has == permission || has == "*" || has == kind+":*" })
}

type identityKey struct{}

// With gives a context who asks.
func With(ctx context.Context, identity Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, identity)
}

// From is who asks; false where nobody was identified.
func From(ctx context.Context) (Identity, bool) {
	identity, ok := ctx.Value(identityKey{}).(Identity)
	return identity, ok
}
