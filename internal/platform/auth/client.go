package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

// Caller asks another service; a call.Client does.
type Caller interface {
	Do(ctx context.Context, r call.Request, into any) error
}

// UsersOverHTTP asks the service users, in auth's own name and for one tenant at a time.
type UsersOverHTTP struct {
	Keys *token.Keyring
	Call Caller
}

// ByLogin implements Users.
func (u *UsersOverHTTP) ByLogin(ctx context.Context, t tenant.Name, login string) (Access, error) {
	return u.get(ctx, t, call.Request{Path: "/v1/internal/users", Query: url.Values{"login": {login}}})
}

// ByID implements Users.
func (u *UsersOverHTTP) ByID(ctx context.Context, t tenant.Name, id string) (Access, error) {
	return u.get(ctx, t, call.Request{Path: "/v1/internal/users/" + url.PathEscape(id)})
}

func (u *UsersOverHTTP) get(ctx context.Context, t tenant.Name, r call.Request) (Access, error) {
	raw, err := u.Keys.Sign(token.Claims{Tenant: t, Service: Service, Use: token.Service})
	if err != nil {
		return Access{}, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + raw}}
	var found Access
	err = u.Call.Do(ctx, r, &found)
	var answer *call.Error
	switch {
	case err == nil:
		return found, nil
	case errors.As(err, &answer) && answer.Status == http.StatusNotFound:
		return Access{}, fmt.Errorf("user: %w", tenant.ErrNotFound)
	case errors.Is(err, call.ErrUnavailable) || errors.As(err, &answer) && (answer.Status >= http.StatusInternalServerError || answer.Status == http.StatusTooManyRequests):
		return Access{}, fmt.Errorf("%w: %w", errAway(), err)
	}
	return Access{}, err
}

// errAway is what the caller is told where users can't answer.
func errAway() error {
	p := service.Refuse(http.StatusServiceUnavailable, "unavailable", "a service that this needs can't answer; try again")
	p.RetryAfter = time.Second
	return p
}
