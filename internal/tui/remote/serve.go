package remote

import (
	"context"
	"net/http"
	"strconv"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/upgrade"
)

// Items is an answer that is a list.
type Items[T any] struct {
	Items   []T    `json:"items"`
	Trouble string `json:"trouble,omitempty"` // why it isn't whole
}

const (
	defaultRollouts = 20
	defaultEvents   = 500
)

// Handlers answer, by operation of the status API, from the source that there is at the moment.
func Handlers(source func() (tui.Source, error)) map[string]service.Handler {
	s := &server{source: source, tenant: make(turn, 1), services: make(turn, 1), queues: make(turn, 1)}
	return map[string]service.Handler{
		"listFleet": s.listFleet, "showTenant": s.showTenant, "listRollouts": s.listRollouts, "getRollout": s.getRollout,
		"listServices": s.listServices, "listQueues": s.listQueues, "listEvents": s.listEvents, "listLogs": s.listLogs,
	}
}

// server answers many at once. Of what a source remembers from one question to the next, it is asked by one at a time.
type server struct {
	source                   func() (tui.Source, error)
	tenant, services, queues turn
}

// turn is held by one at a time; nil is everybody's.
type turn chan struct{}

// ask puts a question to the source when it is its turn.
func ask[T any](ctx context.Context, s *server, t turn, question func(tui.Source) (T, error)) (answer T, err error) {
	source, err := s.source()
	if err != nil {
		return answer, err
	}
	if t != nil {
		select {
		case t <- struct{}{}:
			defer func() { <-t }()
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
	return question(source)
}

func list[T any](items []T, err error) (service.Response, error) {
	if items == nil {
		items = []T{}
	}
	return service.JSON(http.StatusOK, Items[T]{Items: items}), err
}

func (s *server) listFleet(r *service.Request) (service.Response, error) {
	var names []tenant.Name
	for _, name := range r.URL.Query()["tenant"] {
		names = append(names, tenant.Name(name))
	}
	return list(ask(r.Context(), s, nil, func(from tui.Source) ([]tui.Tenant, error) { return from.Fleet(r.Context(), names...) }))
}

func (s *server) showTenant(r *service.Request) (service.Response, error) {
	found, err := ask(r.Context(), s, s.tenant, func(from tui.Source) (tui.Detail, error) {
		return from.Tenant(r.Context(), tenant.Name(r.PathValue("tenant")))
	})
	return service.JSON(http.StatusOK, found), err
}

func (s *server) listRollouts(r *service.Request) (service.Response, error) {
	return list(ask(r.Context(), s, nil, func(from tui.Source) ([]upgrade.Rollout, error) {
		return from.Rollouts(r.Context(), int(number(r, "limit", defaultRollouts)))
	}))
}

func (s *server) getRollout(r *service.Request) (service.Response, error) {
	found, err := ask(r.Context(), s, nil, func(from tui.Source) (tui.Rollout, error) { return from.Rollout(r.Context(), r.PathValue("rollout")) })
	return service.JSON(http.StatusOK, found), err
}

func (s *server) listServices(r *service.Request) (service.Response, error) {
	return list(ask(r.Context(), s, s.services, func(from tui.Source) ([]tui.Service, error) { return from.Services(r.Context()) }))
}

// listQueues tells of the instances that answered, and why others didn't.
func (s *server) listQueues(r *service.Request) (service.Response, error) {
	answer, err := ask(r.Context(), s, s.queues, func(from tui.Source) (answer Items[tui.Queue], err error) {
		answer.Items, err = from.Queues(r.Context())
		if err != nil && r.Context().Err() == nil {
			answer.Trouble, err = err.Error(), nil
		}
		return answer, err
	})
	if answer.Items == nil {
		answer.Items = []tui.Queue{}
	}
	return service.JSON(http.StatusOK, answer), err
}

func (s *server) listEvents(r *service.Request) (service.Response, error) {
	return list(ask(r.Context(), s, nil, func(from tui.Source) ([]tenant.Event, error) {
		return from.Events(r.Context(), number(r, "after", -1), int(number(r, "limit", defaultEvents)))
	}))
}

func (s *server) listLogs(r *service.Request) (service.Response, error) {
	found, err := ask(r.Context(), s, nil, func(from tui.Source) (tui.Logs, error) {
		return from.Logs(r.Context(), tui.LogQuery{Tenant: tenant.Name(r.Query("tenant")), Trace: r.Query("trace"), After: number(r, "after", 0)})
	})
	return service.JSON(http.StatusOK, found), err
}

// number is a parameter that the description says is a number.
func number(r *service.Request, name string, absent int64) int64 {
	n, err := strconv.ParseInt(r.Query(name), 10, 64)
	if err != nil {
		return absent
	}
	return n
}
