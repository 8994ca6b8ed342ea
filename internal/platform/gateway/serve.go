package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tenantctl/internal/platform/limit"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Handler passes requests on. Health and version are told to whoever asks without a tenant's host: a tenant's own application may
// have such paths, too. Metrics aren't: here the public comes in (see Options.Admin).
func (g *Gateway) Handler() http.Handler {
	own := http.NewServeMux()
	g.service.Observe(own)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, named := scope.TenantOfHost(r.Host, g.Domain); !named {
			if _, pattern := own.Handler(r); pattern != "" {
				own.ServeHTTP(w, r)
				return
			}
		}
		g.serve(w, r)
	})
}

// exchange is one request and what is known of it.
type exchange struct {
	w       *writer
	r       *http.Request
	control *http.ResponseController
	tenant  tenant.Name
	kind    kind
	place   *place       // where it waited; nil: it didn't
	client  *body        // nil: it has none
	waiting *waitingBody // its beginning, where it waited
	flight  *flight
	target  target
	streams bool // it holds one of the places for streams instead of a usual one
}

func (g *Gateway) serve(raw http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(raw)
	w := &writer{ResponseWriter: raw, control: control, idle: g.Idle}
	defer w.end()
	// The server's own bounds on reading and writing are for whole requests: ours are for pauses. What is left of a body when the
	// answer is there is read by the server.
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	problem := refuse(r)
	prepare(r)
	w.Header().Set(service.RequestID, r.Header.Get(service.RequestID))
	ctx, span := g.Trace.Start(telemetry.FromHeader(r.Context(), r.Header), telemetry.Server, r.Method,
		slog.String("http.request.method", r.Method), slog.String("url.path", r.URL.Path))
	defer span.End()
	traceID, _ := telemetry.IDs(ctx)
	w.Header().Set(traceHeader, traceID)
	r = r.WithContext(ctx)
	x := &exchange{w: w, r: r, control: control, kind: kindOf(r)}
	defer g.tell(x, span, time.Now()) //nolint:contextcheck // its request carries it; this is when the answer is there, or has been broken off
	if problem != nil {
		g.reject(x, problem) //nolint:contextcheck // the same
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		x.client = &body{ReadCloser: r.Body, control: control, idle: g.Idle, left: r.ContentLength}
		_ = control.SetReadDeadline(time.Now().Add(g.Idle))
		r.Body = x.client
	}
	t, err := g.whose(r)
	if err != nil {
		g.reject(x, err) //nolint:contextcheck // the same
		return
	}
	x.tenant, x.r = t.Name, r.WithContext(telemetry.WithTenant(ctx, string(t.Name)))
	if wait, ok := g.rate.Allow(t.Name, t.Limits.RequestsPerSecond); !ok {
		p := service.Refuse(http.StatusTooManyRequests, "rate-limited", "this tenant may make %d requests a second", t.Limits.RequestsPerSecond)
		p.RetryAfter = wait
		g.reject(x, p) //nolint:contextcheck // the same
		return
	}
	g.pass(x) //nolint:contextcheck // its request carries it
}

// traceHeader names the trace in an answer, for whoever asks what became of a request.
const traceHeader = "X-Trace-Id"

// tell writes the request's line, and into its span what the answer was.
func (g *Gateway) tell(x *exchange, span telemetry.Span, began time.Time) {
	took := time.Since(began)
	if x.tenant != "" {
		g.service.CountTenant(x.tenant, x.w.status, took)
	}
	span.Set(slog.Int("http.response.status_code", x.w.status))
	if x.w.status >= http.StatusInternalServerError {
		span.Fail(strconv.Itoa(x.w.status))
	}
	attributes := []slog.Attr{
		slog.String("method", x.r.Method), slog.String("path", x.r.URL.Path), slog.Int("status", x.w.status), slog.Duration("duration", took),
		slog.String("request", x.r.Header.Get(service.RequestID)),
	}
	if x.target.kind != "" {
		span.Set(slog.String("peer.service", x.target.kind))
		attributes = append(attributes, slog.String("target", x.target.kind))
	}
	g.Log.LogAttrs(x.r.Context(), slog.LevelInfo, "request", attributes...)
}

// whose finds the tenant of a request: the token's, or where there is none, the host's. Applications that aren't ours may have
// tokens of their own.
func (g *Gateway) whose(r *http.Request) (scope.Tenant, error) {
	_, named := scope.TenantOfHost(r.Host, g.Domain)
	if _, ok := scope.Bearer(r); !ok {
		if !named {
			return scope.Tenant{}, tenant.ErrNotFound
		}
		who, err := g.authorize.Host(r)
		return who.Tenant, err
	}
	who, err := g.authorize.Identify(r, token.Access)
	if err == nil || !named || !errors.Is(err, token.ErrInvalid) && !errors.Is(err, token.ErrExpired) && !errors.Is(err, token.ErrUnavailable) {
		return who.Tenant, err
	}
	byHost, hostErr := g.authorize.Host(r)
	if hostErr != nil {
		return scope.Tenant{}, err
	}
	if g.public(r) || !errors.Is(err, token.ErrExpired) && g.foreign(byHost.Tenant) {
		return byHost.Tenant, nil
	}
	return scope.Tenant{}, err
}

// foreign tells whether a tenant's requests are for an application that isn't ours.
func (g *Gateway) foreign(t scope.Tenant) bool {
	side := t.Route
	if side == tenant.RouteHold {
		side = t.HeldFrom
	}
	return side == tenant.RouteLegacy || len(t.Services) == 0
}

// pass sends a request to where its tenant's route says, after it waited while the route said hold.
func (g *Gateway) pass(x *exchange) {
	g.traffic.join(x.tenant)
	defer g.traffic.leave(x.tenant)
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	x.r = x.r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	defer x.close()
	if err := g.depart(ctx, cancel, x); err != nil {
		g.reject(x, err)
		return
	}
	defer func() { // in this order: who is let in next finds the books right
		g.traffic.arrive(x.flight)
		if x.streams {
			g.streams.Release(x.tenant)
		} else {
			g.slots.Release(x.tenant)
		}
	}()
	defer g.metrics.under(x.target.kind)()
	g.proxy.ServeHTTP(x.w, x.r)
}

// depart takes one of the tenant's places and writes the request down, with where it goes. Where it has to wait it gives the
// place back first.
func (g *Gateway) depart(ctx context.Context, cancel context.CancelCauseFunc, x *exchange) error {
	deadline := time.Now().Add(g.Hold.Wait)
	for {
		if err := g.wait(ctx, deadline, x); err != nil {
			return err
		}
		if err := g.slot(ctx, deadline, x); err != nil {
			return err
		}
		f, t, err := g.traffic.depart(x.tenant, x.kind, cancel)
		if err == nil && f != nil {
			if x.target, err = g.target(t, f.side, x.r); err != nil {
				g.traffic.arrive(f)
			}
		}
		if err == nil && f != nil {
			x.flight = f
			return nil
		}
		g.slots.Release(x.tenant)
		if err != nil {
			return err
		}
	}
}

// slot takes one of the tenant's places for requests under way. Those that were held come in whatever their number: it is
// bounded already.
func (g *Gateway) slot(ctx context.Context, deadline time.Time, x *exchange) error {
	acquire := g.slots.Acquire
	if x.place != nil {
		acquire = g.slots.AcquireQueued
	} else {
		deadline = time.Now().Add(g.Queue)
	}
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := acquire(waiting, x.tenant)
	if err != nil && ctx.Err() != nil {
		return errGone
	}
	if errors.Is(err, limit.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
		p := service.Refuse(http.StatusServiceUnavailable, "busy", "this tenant has too many requests under way")
		p.RetryAfter = g.Queue
		return p
	}
	return err
}

// errGone is a client that gave up.
var errGone = errors.New("the client is gone")

// wait waits while the route is hold and the request may change something.
func (g *Gateway) wait(ctx context.Context, deadline time.Time, x *exchange) error {
	changed, held, err := g.traffic.held(x.tenant, x.kind)
	if err != nil || !held {
		return err
	}
	place := g.buffer.enter(x.tenant)
	if place == nil {
		return holding("too many writes wait while the tenant is being moved")
	}
	if x.place = place; x.client != nil && x.waiting == nil {
		x.waiting = takeIn(x.r.Body, x.control, place)
		x.r.Body = x.waiting
	}
	began := time.Now()
	defer func() {
		x.place.leave()
		g.metrics.waited(began)
	}()
	var gone chan struct{}
	if x.waiting != nil {
		gone = x.waiting.gone
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for held {
		select {
		case <-changed:
		case <-ctx.Done():
			return errGone
		case <-gone:
			return errGone
		case <-timer.C:
			return holding("the tenant is being moved; this write has waited long enough")
		case <-g.leaving:
			return holding("the gateway ends while the tenant is being moved")
		}
		if changed, held, err = g.traffic.held(x.tenant, x.kind); err != nil {
			return err
		}
	}
	return nil
}

// holdRetry is when a client may ask again whose write can't wait here.
const holdRetry = 5 * time.Second

func holding(detail string) *service.Problem {
	p := service.Refuse(http.StatusServiceUnavailable, "held", "%s", detail)
	p.RetryAfter = holdRetry
	return p
}

// close gives back what a request had in the buffer.
func (x *exchange) close() {
	if x.waiting != nil {
		x.waiting.room.give(x.waiting.used())
	}
}

// reject answers in the service's stead.
func (g *Gateway) reject(x *exchange, err error) {
	w := x.w
	if errors.Is(err, errGone) {
		g.metrics.rejected.WithLabelValues("gone").Inc()
		w.Header().Set("Connection", "close")
		w.WriteHeader(statusGone)
		return
	}
	var method *methodError
	if errors.As(err, &method) {
		w.Header().Set("Allow", strings.Join(method.allowed, ", "))
		err = service.Refuse(http.StatusMethodNotAllowed, "method-not-allowed", "this path knows %s", strings.Join(method.allowed, ", "))
	}
	if errors.Is(err, tenant.ErrInvalid) {
		g.Log.ErrorContext(x.r.Context(), "a request can't be passed on", "request", w.Header().Get(service.RequestID), "error", err)
		err = service.Refuse(http.StatusBadGateway, "no-upstream", "the tenant's application can't be found")
	}
	p := service.ProblemOf(err)
	g.metrics.rejected.WithLabelValues(p.Type).Inc()
	service.SecurityHeaders(w.Header())
	p.Write(w)
}

// statusGone is for our own counts: nobody reads it.
const statusGone = 499
