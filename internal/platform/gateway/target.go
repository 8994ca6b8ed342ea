package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// target is where one request goes.
type target struct {
	kind string // legacy, upstream, or the service's name
	url  *url.URL
}

const (
	kindLegacy   = "legacy"
	kindUpstream = "upstream"
)

// target finds where a request goes on a side: to the legacy application, to one of our services, or to the application of a
// lifted tenant.
func (g *Gateway) target(t scope.Tenant, side tenant.Route, r *http.Request) (target, error) {
	if side == tenant.RouteLegacy {
		at := g.LegacyURL(t.Name)
		if at == "" {
			return target{}, fmt.Errorf("where the legacy application of %s answers isn't known (legacy.url in tenants.yaml, or `tenantctl serve legacy`): %w", t.Name, tenant.ErrInvalid)
		}
		return application(kindLegacy, at)
	}
	if len(t.Services) > 0 {
		e, err := g.endpoint(t, r)
		if err == nil || !errors.Is(err, tenant.ErrNotFound) || t.Upstream == "" {
			return target{e.service, e.url}, err
		}
	}
	if t.Upstream == "" {
		return target{}, tenant.ErrNotFound
	}
	return application(kindUpstream, t.Upstream)
}

func application(kind, address string) (target, error) {
	base, err := parseBase(address)
	if err != nil {
		return target{}, fmt.Errorf("the tenant's %s application: %w", kind, err)
	}
	return target{kind, base}, nil
}

// endpoint finds the service of a path among those that the tenant has.
func (g *Gateway) endpoint(t scope.Tenant, r *http.Request) (endpoint, error) {
	if !clean(r.URL) {
		return endpoint{}, service.Refuse(http.StatusBadRequest, "malformed", "the path isn't in its plain form")
	}
	e, err := g.table.find(r.Method, r.URL.Path)
	if err == nil && !t.Has(e.service) {
		return e, tenant.ErrNotFound
	}
	return e, err
}

// public tells whether a request is for an operation of a service that needs no token.
func (g *Gateway) public(r *http.Request) bool {
	e, err := g.table.find(r.Method, r.URL.Path)
	return err == nil && e.public && clean(r.URL)
}

// clean tells whether a path can be read in one way only: without . and .. and empty parts, and without parts that hold
// an escaped separator. What a service's own parser makes of such a path is not for us to guess.
func clean(u *url.URL) bool {
	if strings.ContainsAny(u.Path, "\\\x00") || strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return false
	}
	plain := path.Clean(u.Path)
	return plain == u.Path || plain+"/" == u.Path
}
