package messaging

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/service"
)

// People knows who is a user of the caller's tenant.
type People interface {
	// Unknown gives those of some ids that aren't a user's who may log in. It asks in the caller's name.
	Unknown(ctx context.Context, caller *http.Request, ids []string) ([]string, error)
}

// Caller asks another service; a call.Client does.
type Caller interface {
	Do(ctx context.Context, r call.Request, into any) error
}

// UsersOverHTTP asks the service users.
type UsersOverHTTP struct{ Call Caller }

// Unknown implements People.
func (u *UsersOverHTTP) Unknown(ctx context.Context, caller *http.Request, ids []string) ([]string, error) {
	var found struct{ Unknown []string }
	err := u.Call.Do(call.For(ctx, caller), call.Request{Path: "/v1/users/unknown", Query: url.Values{"id": ids}}, &found)
	return found.Unknown, err
}

// known lets pass whoever names users only.
func (s *server) known(r *service.Request) error {
	if s.opts.People == nil {
		return nil
	}
	var body struct {
		Participants []string `json:"participants"`
		User         string   `json:"user"`
	}
	if err := json.Unmarshal(r.Body(), &body); err != nil { // it is as described; other members aren't ours
		return err
	}
	named := body.Participants
	if body.User != "" {
		named = append(named, body.User)
	}
	if len(named) == 0 {
		return nil
	}
	unknown, err := s.opts.People.Unknown(r.Context(), r.Request, named)
	if err != nil {
		away := service.Refuse(http.StatusServiceUnavailable, "unavailable", "a service that this needs can't answer; nothing was done, try again")
		away.RetryAfter = time.Second
		return errors.Join(away, err)
	}
	if len(unknown) > 0 {
		return service.Refuse(http.StatusUnprocessableEntity, "no-user", "not users here: %s", strings.Join(unknown, ", "))
	}
	return nil
}
