package service

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
)

// RequestID is the header that names a request through all services and logs.
const RequestID = "X-Request-Id"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// metrics are what is counted of requests. Labels have few values: routes are patterns, versions those of the fleet.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
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
	registry.MustRegister(m.requests, m.duration)
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

// SecurityHeaders are those of an API that no page has a reason to embed or to guess the type of.
func SecurityHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// operation answers one route.
func (s *Service) operation(o Operation, handle Handler) http.Handler {
	limit := o.MaxBody
	if limit == 0 {
		limit = DefaultMaxBody
	}
	return http.HandlerFunc(func(raw http.ResponseWriter, r *http.Request) {
		began := time.Now()
		w := &recorder{ResponseWriter: raw}
		r.Body = http.MaxBytesReader(raw, r.Body, limit)
		identity, err := s.identify(r, o)
		returned := false
		defer func() {
			if !returned { // a panic, which is answered further out
				s.count(o, identity, http.StatusInternalServerError, time.Since(began))
			}
		}()
		if err == nil {
			err = s.answer(w, r, o, identity, handle)
		}
		returned = true
		if err != nil {
			problem := ProblemOf(err)
			if problem.Status >= http.StatusInternalServerError {
				s.Log.ErrorContext(r.Context(), "request failed", "request", r.Header.Get(RequestID), "route", o.pattern(),
					"tenant", identity.Tenant.Name, "status", problem.Status, "error", err)
			}
			if !w.begun() {
				problem.Write(w)
			}
		}
		s.count(o, identity, w.status, time.Since(began))
	})
}

func (s *Service) answer(w *recorder, r *http.Request, o Operation, identity scope.Identity, handle Handler) error {
	request, err := s.description.read(o, identity, r.WithContext(scope.With(r.Context(), identity)))
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
	}
	s.metrics.requests.WithLabelValues(o.Path, o.Method, strconv.Itoa(status), version).Inc()
	s.metrics.duration.WithLabelValues(o.Path, version).Observe(took.Seconds())
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
