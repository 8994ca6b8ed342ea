package users

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/service"
)

// Caller asks another service; a call.Client does.
type Caller interface {
	Do(ctx context.Context, r call.Request, into any) error
}

// PasswordsOverHTTP asks the service auth.
type PasswordsOverHTTP struct{ Call Caller }

// Remove implements Passwords.
func (p *PasswordsOverHTTP) Remove(ctx context.Context, caller *http.Request, id string) error {
	err := p.Call.Do(call.For(ctx, caller), call.Request{Method: http.MethodDelete, Path: "/v1/auth/users/" + url.PathEscape(id) + "/password"}, nil)
	var answer *call.Error
	if err == nil || errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		return nil
	}
	away := service.Refuse(http.StatusServiceUnavailable, "unavailable", "a service that this needs can't answer; nothing was done, try again")
	away.RetryAfter = time.Second
	return errors.Join(away, err)
}
