package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// RequestID is the header that names a request through all services and logs.
const RequestID = "X-Request-Id"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// metrics are what is counted of requests. Labels have few values: routes are patterns, versions those of the fleet.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	busiest  *busiest
}

func newMetrics(registry prometheus.Registerer, service string) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered.", ConstLabels: prometheus.Labels{"service": service},
		}, []string{"route", "method", "code", "schema_version"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "From the request's first byte to the answer's last.",
			ConstLabels: prometheus.Labels{"service": service}, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"route", "schema_version"}),
	}
	m.busiest = newBusiest(service)
	registry.MustRegister(m.requests, m.duration, m.busiest)
	return m
}

// outermost names the request, sets the headers that every answer has, and keeps a panic from ending more than its request.
func (s *Service) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestID)
		if !requestIDPattern.MatchString(id) {
			id = rand.Text()
			r.Header.Set(RequestID, id)
		}
		SecurityHeaders(w.Header())
		w.Header().Set(RequestID, id)
		// What isn't read by an operation is read, and thrown away, by the server. (A recorder of tests has no deadlines.)
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.Read))
		defer s.recovered(w, r)
		next.ServeHTTP(w, r)
	})
}

// recovered is deferred: it answers where a handler panicked.
func (s *Service) recovered(w http.ResponseWriter, r *http.Request) {
	failure := recover()
	if failure == nil {
		return
	}
	if failure == http.ErrAbortHandler { //nolint:errorlint // the value itself is the sign
		panic(failure)
	}
	s.Log.ErrorContext(r.Context(), "panic", "request", r.Header.Get(RequestID), "value", failure, "stack", string(debug.Stack()))
	ProblemOf(errPanic).Write(w)
}

var errPanic = errors.New("panic")

// SecurityHeaders sets those of an API that no page has a reason to embed or to guess the type of.
func SecurityHeaders(h http.Header) { maps.Copy(h, securityHeaders) }

var securityHeaders = http.Header{ //nolint:gochecknoglobals // a constant table
	"X-Content-Type-Options":  {"nosniff"},
	"X-Frame-Options":         {"DENY"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"Cache-Control":           {"no-store"},
}

// operation answers one route.
func (s *Service) operation(o Operation, handle Handler) http.Handler {
	limit := o.MaxBody
	if limit == 0 {
		limit = DefaultMaxBody
	}
	return http.HandlerFunc(func(raw http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx, span := s.Trace.Start(telemetry.FromHeader(r.Context(), r.Header), telemetry.Server, o.pattern(),
			slog.String("http.request.method", o.Method), slog.String("http.route", o.Path), slog.String("url.path", r.URL.Path))
		defer span.End()
		w := &recorder{ResponseWriter: raw}
		r = r.WithContext(ctx)
		if r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(raw, r.Body, limit)
		}
		var identity scope.Identity
		returned := false
		defer func() {
			if !returned { // an answer that was broken off
				s.count(o, identity, http.StatusInternalServerError, time.Since(began))
			}
		}()
		err := s.answer(w, r, o, handle, &identity)
		returned = true
		if err != nil && !w.begun() {
			ProblemOf(err).Write(w)
		}
		took := time.Since(began)
		s.tell(r, o, identity, w.status, took, err)
		span.Set(slog.Int("http.response.status_code", w.status))
		if w.status >= http.StatusInternalServerError {
			span.Fail(strconv.Itoa(w.status))
		}
		s.count(o, identity, w.status, took)
	})
}

// tell writes the request's line.
func (s *Service) tell(r *http.Request, o Operation, identity scope.Identity, status int, took time.Duration, err error) {
	level, message := slog.LevelInfo, "request"
	attributes := []slog.Attr{
		slog.String("route", o.pattern()), slog.Int("status", status), slog.Duration("duration", took), slog.String("request", r.Header.Get(RequestID)),
	}
	if identity.Tenant.Name != "" {
		attributes = append(attributes, slog.String("tenant", string(identity.Tenant.Name)))
	}
	if err != nil && ProblemOf(err).Status >= http.StatusInternalServerError {
		level, message = slog.LevelError, "request failed"
		attributes = append(attributes, slog.Any("error", err))
	}
	s.Log.LogAttrs(r.Context(), level, message, attributes...)
}

// answer notes who asks as soon as that is known. A panic is an error like others: nobody is taken along.
func (s *Service) answer(w *recorder, r *http.Request, o Operation, handle Handler, who *scope.Identity) (err error) {
	defer func() {
		failure := recover()
		if failure == nil {
			return
		}
		if failure == http.ErrAbortHandler { //nolint:errorlint // the value itself is the sign
			panic(failure)
		}
		err = fmt.Errorf("%w: %v\n%s", errPanic, failure, debug.Stack())
	}()
	if *who, err = s.identify(r, o); err != nil {
		return err
	}
	ctx := scope.With(r.Context(), *who)
	if who.Tenant.Name != "" {
		ctx = telemetry.WithTenant(ctx, string(who.Tenant.Name))
	}
	request, err := s.description.read(o, *who, r.WithContext(ctx))
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // the body is here; the answer may be a stream without an end
	response, err := handle(request)
	if err != nil {
		return err
	}
	return response.write(w)
}

// identify tells who asks, and whether the operation is theirs to ask for.
func (s *Service) identify(r *http.Request, o Operation) (scope.Identity, error) {
	if s.Authorize == nil {
		if s.Allow == nil || o.Public {
			return scope.Identity{}, nil
		}
		return scope.Identity{}, s.Allow(r)
	}
	use := token.Access
	if o.Internal {
		use = token.Service
	}
	if o.Public {
		return s.Authorize.Host(r)
	}
	identity, err := s.Authorize.Identify(r, use)
	if err == nil && o.Permission != "" && !identity.May(o.Permission) {
		return identity, Refuse(http.StatusForbidden, "forbidden", "this needs the permission %s", o.Permission)
	}
	return identity, err
}

func (s *Service) count(o Operation, identity scope.Identity, status int, took time.Duration) {
	version := ""
	if identity.Tenant.Name != "" {
		version = strconv.FormatUint(identity.Tenant.Versions[s.Name()], 10)
		s.CountTenant(identity.Tenant.Name, status, took)
	}
	s.metrics.requests.WithLabelValues(o.Path, o.Method, strconv.Itoa(status), version).Inc()
	s.metrics.duration.WithLabelValues(o.Path, version).Observe(took.Seconds())
}

// CountTenant counts an answered request among its tenant's.
func (s *Service) CountTenant(name tenant.Name, status int, took time.Duration) {
	s.metrics.busiest.count(string(name), status >= http.StatusInternalServerError, took)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) begun() bool { return w.status != 0 }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(body []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Timeout bounds what a handler may take; the tenant's statement timeout bounds its statements besides.
func Timeout(d time.Duration, handle Handler) Handler {
	return func(r *Request) (Response, error) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		r.Request = r.WithContext(ctx)
		return handle(r)
	}
}
