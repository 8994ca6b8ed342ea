package scope

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

// Tenants knows the tenants; Directory does.
type Tenants interface {
	// Tenant is one of them; tenant.ErrNotFound where there is none of that name.
	Tenant(name tenant.Name) (Tenant, error)
}

// Authorizer tells who asks.
type Authorizer struct {
	Tenants  Tenants
	Verifier token.Verifier
	Domain   string // hosts are TENANT.Domain; empty: hosts name no tenant
}

// Identify tells who asks by the request's token. A host that names another tenant is ErrForbidden.
func (a *Authorizer) Identify(r *http.Request, use token.Use) (Identity, error) {
	raw, ok := Bearer(r)
	if !ok {
		return Identity{}, token.ErrInvalid
	}
	claims, err := a.Verifier.Verify(r.Context(), raw, use)
	if err != nil {
		return Identity{}, err
	}
	if host, named := TenantOfHost(r.Host, a.Domain); named && host != claims.Tenant {
		return Identity{}, fmt.Errorf("host of another tenant: %w", ErrForbidden)
	}
	t, err := a.Active(claims.Tenant)
	if err != nil {
		return Identity{}, err
	}
	return Identity{Tenant: t, Subject: claims.Subject, Login: claims.Login, Permissions: claims.Permissions, Service: claims.Service, Expires: claims.Expires}, nil
}

// Host tells which tenant a request without a token is for; the zero Identity where its host names none.
func (a *Authorizer) Host(r *http.Request) (Identity, error) {
	name, named := TenantOfHost(r.Host, a.Domain)
	if !named {
		return Identity{}, nil
	}
	t, err := a.Active(name)
	return Identity{Tenant: t}, err
}

// Active is a tenant that is in service. ErrSuspended, and tenant.ErrNotFound for one that is archived or unknown.
func (a *Authorizer) Active(name tenant.Name) (Tenant, error) {
	t, err := a.Tenants.Tenant(name)
	if err != nil {
		return Tenant{}, err
	}
	switch t.State {
	case tenant.Active:
		return t, nil
	case tenant.Suspended:
		return Tenant{}, ErrSuspended
	}
	return Tenant{}, fmt.Errorf("tenant %q is %s: %w", name, t.State, tenant.ErrNotFound)
}

// Bearer is the token of a request. Two of them are none: what is in front of us might read the other.
func Bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, raw, ok := strings.Cut(values[0], " ")
	return raw, ok && strings.EqualFold(scheme, "bearer") && raw != ""
}

// TenantOfHost is the tenant that a host of the domain names.
func TenantOfHost(host, domain string) (tenant.Name, bool) {
	if domain == "" {
		return "", false
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	label, ok := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "."+domain)
	if !ok {
		return "", false
	}
	name, err := tenant.ParseName(label)
	return name, err == nil
}
