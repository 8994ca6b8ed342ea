package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

// Doer sends a request; an http.Client does, and package call's clients.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// UsersOverHTTP asks the service users, in auth's own name and for one tenant at a time.
type UsersOverHTTP struct {
	URL  string // such as http://users:8080
	Keys *token.Keyring
	HTTP Doer
}

// ByLogin implements Users.
func (u *UsersOverHTTP) ByLogin(ctx context.Context, t tenant.Name, login string) (Access, error) {
	return u.get(ctx, t, "/v1/internal/users?login="+url.QueryEscape(login))
}

// ByID implements Users.
func (u *UsersOverHTTP) ByID(ctx context.Context, t tenant.Name, id string) (Access, error) {
	return u.get(ctx, t, "/v1/internal/users/"+url.PathEscape(id))
}

func (u *UsersOverHTTP) get(ctx context.Context, t tenant.Name, path string) (Access, error) {
	raw, err := u.Keys.Sign(token.Claims{Tenant: t, Service: Service, Use: token.Service})
	if err != nil {
		return Access{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL+path, nil)
	if err != nil {
		return Access{}, fmt.Errorf("ask users: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+raw)
	response, err := u.HTTP.Do(request)
	if err != nil {
		var sent *url.Error // its text has the address, and in it what somebody typed as a login
		if errors.As(err, &sent) {
			err = sent.Err
		}
		return Access{}, fmt.Errorf("ask users: %w: %w", errAway(), err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return Access{}, fmt.Errorf("user: %w", tenant.ErrNotFound)
	case response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests:
		return Access{}, fmt.Errorf("ask users: status %s: %w", response.Status, errAway())
	case response.StatusCode != http.StatusOK:
		return Access{}, fmt.Errorf("ask users: status %s", response.Status)
	}
	var found Access
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&found); err != nil {
		return Access{}, fmt.Errorf("ask users: %w", err)
	}
	return found, nil
}

// errAway is what the caller is told where users can't answer.
func errAway() error {
	p := service.Refuse(http.StatusServiceUnavailable, "unavailable", "a service that this needs can't answer; try again")
	p.RetryAfter = time.Second
	return p
}
