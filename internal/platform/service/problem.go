package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Problem is an error that the caller is told of, as RFC 9457 has it. What isn't a Problem is told as an internal error, and
// only the log has its text.
type Problem struct {
	Status     int           `json:"status"`
	Type       string        `json:"type,omitempty"` // a name that stays, such as "rate-limited"; about:blank where absent
	Title      string        `json:"title"`
	Detail     string        `json:"detail,omitempty"`
	Instance   string        `json:"instance,omitempty"` // the request's id, to be found in the logs
	Fields     []Field       `json:"errors,omitempty"`
	RetryAfter time.Duration `json:"-"`
}

// Field is what is wrong with one part of a request.
type Field struct {
	At     string `json:"at"` // a JSON pointer into the body, or the parameter's name
	Detail string `json:"detail"`
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// Refuse is a problem of a status with its usual title.
func Refuse(status int, kind, format string, args ...any) *Problem {
	return &Problem{Status: status, Type: kind, Title: http.StatusText(status), Detail: fmt.Sprintf(format, args...)}
}

// later is the answer for what is likely to work in a moment.
func later(kind, detail string) *Problem {
	p := Refuse(http.StatusServiceUnavailable, kind, "%s", detail)
	p.RetryAfter = time.Second
	return p
}

// NotFound is the answer for what isn't there, and for what is another tenant's: the two look the same.
func NotFound(what string) *Problem {
	return Refuse(http.StatusNotFound, "not-found", "no such %s", what)
}

// ProblemOf is what the caller is told of an error.
func ProblemOf(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		copied := *problem
		return &copied
	}
	switch {
	case errors.Is(err, token.ErrExpired):
		return Refuse(http.StatusUnauthorized, "token-expired", "the token has expired")
	case errors.Is(err, token.ErrInvalid):
		return Refuse(http.StatusUnauthorized, "token-invalid", "a valid token is needed")
	case errors.Is(err, scope.ErrUnavailable):
		return later("unavailable", "the database is away; try again")
	case errors.Is(err, token.ErrUnavailable):
		return later("unavailable", "tokens can't be checked just now; try again")
	case errors.Is(err, scope.ErrForbidden):
		return Refuse(http.StatusForbidden, "forbidden", "not allowed")
	case errors.Is(err, scope.ErrSuspended):
		return Refuse(http.StatusForbidden, "tenant-suspended", "this tenant is suspended")
	case errors.Is(err, tenant.ErrNotFound):
		return Refuse(http.StatusNotFound, "not-found", "nothing is here")
	case errors.Is(err, scope.ErrBusy):
		return later("busy", "too much is going on; try again")
	case errors.Is(err, context.DeadlineExceeded):
		return Refuse(http.StatusGatewayTimeout, "timeout", "it took too long")
	}
	return problemOfDatabase(err)
}

// divisionByZero is no fault of a value that the caller gave, as all others of its class are: too long, out of range, not a date,
// with characters that the database can't hold.
const divisionByZero = "22012"

// problemOfDatabase tells what the database declined. Its texts name schemas and stay in the log.
func problemOfDatabase(err error) *Problem {
	switch code := postgres.Code(err); {
	case code == "57014":
		return Refuse(http.StatusGatewayTimeout, "timeout", "a statement ran into this tenant's limit")
	case code == "23505":
		return Refuse(http.StatusConflict, "conflict", "there is one like it already")
	case code == "23503":
		return Refuse(http.StatusConflict, "conflict", "something it refers to isn't there, or something refers to it")
	case code == "23514" || code == "23502" || strings.HasPrefix(code, "22") && code != divisionByZero:
		return Refuse(http.StatusUnprocessableEntity, "invalid", "a value isn't allowed")
	case code == "42501":
		return Refuse(http.StatusForbidden, "forbidden", "not allowed")
	case postgres.Classify(err) == postgres.Retryable:
		return later("unavailable", "the database is away; try again")
	}
	return &Problem{Status: http.StatusInternalServerError, Type: "internal", Title: http.StatusText(http.StatusInternalServerError)}
}

// Write answers a request with the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if p.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	p.Instance = header.Get(RequestID)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a caller that is gone needs no answer
}
