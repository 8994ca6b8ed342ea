package core

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/service"
)

// remembered is an answer as the cache keeps it.
type remembered struct {
	Header http.Header     `json:"header"`
	Body   json.RawMessage `json:"body"`
}

// cached remembers products: what every order and every page of a shop asks for, and few change.
func (s *server) cached(of *resource.Resource, get service.Handler) service.Handler {
	if of.Table != "products" || s.cache == nil {
		return get
	}
	return func(r *service.Request) (service.Response, error) {
		value, err := s.cache.Get(r.Context(), r.Identity.Tenant, of.Table, r.PathValue("key"), func(context.Context) ([]byte, error) {
			answer, err := get(r)
			if err != nil {
				return nil, err
			}
			body, ok := answer.Body.(json.RawMessage)
			if !ok {
				return nil, errors.New("an answer that isn't JSON can't be remembered")
			}
			return json.Marshal(remembered{Header: answer.Header, Body: body})
		})
		if err != nil {
			return service.Response{}, err
		}
		var answer remembered
		if err := json.Unmarshal(value, &answer); err != nil {
			return service.Response{}, err
		}
		return service.Response{Header: answer.Header, Body: answer.Body}, nil
	}
}

// forget makes what is remembered unknown once a write is committed, and also where it isn't known whether it was.
func (s *server) forget(of *resource.Resource, write service.Handler) service.Handler {
	if of.Table != "products" || s.cache == nil {
		return write
	}
	return func(r *service.Request) (service.Response, error) {
		answer, err := write(r)
		s.cache.Forget(r.Context(), r.Identity.Tenant, of.Table)
		return answer, err
	}
}
