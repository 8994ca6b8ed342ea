// Package api tells over HTTP how operators and their fleet stand. It reads the control database only, so that every replica
// gives the same answers, whoever leads.
package api

import (
	"bufio"
	"context"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"tenantctl/internal/operator"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

//go:embed openapi.yaml
var description []byte

// Options say what is told, and to whom.
type Options struct {
	Build     string
	Operator  *operator.Operator
	Records   *registry.Registry
	TokenFile string // holds the token that callers need; read at each request, so that it can be changed
	// Dashboard answers what a dashboard asks, by operation.
	Dashboard map[string]service.Handler
	Log       *slog.Logger
}

// New makes the service. Streams end with ctx.
func New(ctx context.Context, opts Options) (*service.Service, error) {
	a := &api{Options: opts, running: ctx}
	handlers := map[string]service.Handler{
		"getOperator": a.operator, "listTenants": a.tenants, "getTenant": a.tenant, "listOperations": a.operations, "followEvents": a.events,
	}
	maps.Copy(handlers, opts.Dashboard)
	s, err := service.New(service.Options{
		Version: service.Version{Service: "operator", Build: opts.Build}, Description: description, Allow: a.allow, Log: opts.Log,
		Ready: opts.Operator.Ready, Handlers: handlers,
	})
	if err != nil {
		return nil, err
	}
	opts.Operator.Metrics.Register(s.Registry)
	return s, nil
}

type api struct {
	Options
	running context.Context // streams end with it; requests outlive it
}

const shortestToken = 16

// allow compares the bearer token with the file's, in constant time. Without a file nobody may.
func (a *api) allow(r *http.Request) error {
	given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || a.TokenFile == "" {
		return token.ErrInvalid
	}
	want, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return fmt.Errorf("token of the status API: %w", err)
	}
	expected := strings.TrimSpace(string(want))
	if len(expected) < shortestToken || subtle.ConstantTimeCompare([]byte(given), []byte(expected)) != 1 {
		return token.ErrInvalid
	}
	return nil
}

func (a *api) operator(r *service.Request) (service.Response, error) {
	state, err := operator.StateOf(r.Context(), a.Operator.Store, a.Records)
	return service.JSON(http.StatusOK, state), err
}

func (a *api) tenants(r *service.Request) (service.Response, error) {
	filter := registry.StatusFilter{Instance: r.Query("instance"), Ring: r.Query("ring"), State: tenant.State(r.Query("state"))}
	return service.List(r, func(limit int, after *tenant.Name) ([]tenant.Status, error) {
		all, err := a.Records.Statuses(r.Context(), filter)
		if err != nil {
			return nil, err
		}
		begin := 0
		if after != nil {
			begin, _ = slices.BinarySearchFunc(all, *after+"\x00", func(s tenant.Status, name tenant.Name) int { return strings.Compare(string(s.Name), string(name)) })
		}
		return all[begin:min(len(all), begin+limit)], nil
	}, func(s tenant.Status) tenant.Name { return s.Name })
}

// detail is a tenant with what came of work on it.
type detail struct {
	Tenant tenant.Status     `json:"tenant"`
	Work   []operator.Record `json:"work,omitempty"`
}

func (a *api) tenant(r *service.Request) (service.Response, error) {
	name := tenant.Name(r.PathValue("tenant"))
	status, err := a.Records.Tenant(r.Context(), name)
	if err != nil {
		return service.Response{}, err
	}
	work, err := a.Operator.Store.Work(r.Context(), name)
	return service.JSON(http.StatusOK, detail{status, work}), err
}

func (a *api) operations(r *service.Request) (service.Response, error) {
	limit, _ := strconv.Atoi(r.Query("limit")) // 0 is the usual
	found, err := a.Records.Operations(r.Context(), registry.OperationFilter{
		Tenant: tenant.Name(r.Query("tenant")), Unfinished: r.Query("unfinished") == "true", Limit: limit,
	})
	if found == nil {
		found = []tenant.Operation{}
	}
	return service.JSON(http.StatusOK, found), err
}

func (a *api) events(r *service.Request) (service.Response, error) {
	after, err := a.begin(r)
	if err != nil {
		return service.Response{}, err
	}
	header := http.Header{"Content-Type": {"text/event-stream"}, "X-Accel-Buffering": {"no"}}
	return service.Response{Header: header, Stream: func(w http.ResponseWriter) error {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(a.running, cancel)()
		control := http.NewResponseController(w)
		w.WriteHeader(http.StatusOK)
		if err := control.Flush(); err != nil {
			return err
		}
		out := bufio.NewWriter(w)
		for event, err := range a.Records.Follow(ctx, after, registry.EventFilter{Tenant: tenant.Name(r.Query("tenant"))}) {
			if err != nil {
				return err
			}
			body, err := json.Marshal(event)
			if err != nil {
				return fmt.Errorf("encode event %d: %w", event.ID, err)
			}
			fmt.Fprintf(out, "id: %d\nevent: %s\ndata: %s\n\n", event.ID, event.Type, body)
			if err := out.Flush(); err != nil {
				return err
			}
			if err := control.Flush(); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// begin is the event after which a stream begins.
func (a *api) begin(r *service.Request) (int64, error) {
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.Query("after")} {
		if text == "" {
			continue
		}
		after, err := strconv.ParseInt(text, 10, 64)
		if err != nil || after < 0 {
			return 0, service.Refuse(http.StatusUnprocessableEntity, "invalid", "an event's id is a number, got %q", text)
		}
		return after, nil
	}
	newest, err := a.Records.Events(r.Context(), 0, registry.EventFilter{Limit: 1, Newest: true})
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].ID, nil
}
