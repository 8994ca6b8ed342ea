package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"time"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/telemetry"
)

const (
	dialTime       = 2 * time.Second
	maxIdlePerHost = 128
	// idleUpstream is shorter than servers keep idle connections, so that it is we who close them: a write that meets a closing
	// connection can't be sent again.
	idleUpstream = 20 * time.Second
	maxHeader    = 256 << 10
)

func newTransport(opts Options) *http.Transport {
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext, TLSClientConfig: opts.ClientTLS,
		TLSHandshakeTimeout: dialTime, MaxIdleConnsPerHost: maxIdlePerHost, IdleConnTimeout: idleUpstream,
		ResponseHeaderTimeout: opts.Header, MaxResponseHeaderBytes: maxHeader, ExpectContinueTimeout: time.Second,
		DisableCompression: true, // what client and service agreed on passes as it is
	}
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

func newProxy(g *Gateway) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: roundTripper{g.transport}, ModifyResponse: g.received, ErrorHandler: g.failed,
		ErrorLog: slog.NewLogLogger(g.Log.Handler(), slog.LevelDebug), BufferPool: newPool(),
	}
}

// rewrite makes the request that goes out. The host stays as it came: it names the tenant.
func rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	p.SetURL(x.target.url)
	p.Out.Host = p.In.Host
	p.SetXForwarded()
	telemetry.ToHeader(p.In.Context(), p.Out.Header)
	if _, named := p.In.Header["User-Agent"]; !named {
		p.Out.Header["User-Agent"] = nil // else the transport names itself
	}
	if key, ok := p.Out.Header[idempotencyKey]; ok && x.kind == writes {
		// The transport sends again what has no body and this header, spelled so, when a connection breaks. An application that
		// doesn't know the header would do it twice.
		delete(p.Out.Header, idempotencyKey)
		p.Out.Header[strings.ToLower(idempotencyKey)] = key
	}
}

const idempotencyKey = "Idempotency-Key"

// roundTripper sends requests once, but for those that read and can't have been seen.
type roundTripper struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	if err == nil || exchangeOf(r.Context()).kind != reads || r.Body != nil && r.Body != http.NoBody || !dialFailed(err) {
		return response, err
	}
	select {
	case <-r.Context().Done():
		return nil, err
	case <-time.After(rand.N(100 * time.Millisecond)):
	}
	return t.Transport.RoundTrip(r)
}

func dialFailed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// received looks at the beginning of an answer. One without an end takes a place among the streams.
func (g *Gateway) received(response *http.Response) error {
	x := exchangeOf(response.Request.Context())
	response.Header.Del(service.RequestID) // it is there already
	becomes := streams
	switch {
	case response.StatusCode == http.StatusSwitchingProtocols && x.kind == tunnels:
		becomes = tunnels
	case response.StatusCode == http.StatusSwitchingProtocols:
		return errors.New("an upstream switched protocols unasked")
	case x.kind == writes || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream"):
		return nil
	}
	busy, cancel := context.WithCancel(response.Request.Context())
	cancel() // there is no waiting for a place
	if err := g.streams.Acquire(busy, x.tenant); err != nil {
		p := service.Refuse(http.StatusServiceUnavailable, "busy", "this tenant has too many streams open")
		p.RetryAfter = holdRetry
		return p
	}
	g.slots.Release(x.tenant)
	x.streams = true
	if !g.traffic.becomes(x.flight, becomes) {
		return errMoved
	}
	if becomes == streams {
		response.Body = &streamBody{ReadCloser: response.Body, ctx: response.Request.Context()}
	}
	return nil
}

// failed answers when no answer came.
func (g *Gateway) failed(_ http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	if x.w.begun {
		panic(http.ErrAbortHandler) // what there is of the answer must not look whole
	}
	g.reject(x, g.failure(r, x, err)) //nolint:contextcheck // its request carries it
}

func (g *Gateway) failure(r *http.Request, x *exchange, err error) error {
	var problem *service.Problem
	cause := context.Cause(r.Context())
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.Is(err, errMoved), errors.Is(cause, errMoved):
		if x.kind == writes {
			return service.Refuse(http.StatusServiceUnavailable, "cut", "the tenant is being moved and this took too long: whether it was done is not known")
		}
		return holding("the tenant is being moved")
	case errors.Is(cause, errEnding):
		return holding("the gateway ends")
	case errors.Is(x.client.failed(), os.ErrDeadlineExceeded):
		return service.Refuse(http.StatusRequestTimeout, "timeout", "the body stopped coming")
	case x.client.failed() != nil, r.Context().Err() != nil:
		return errGone
	}
	g.Log.WarnContext(r.Context(), "an upstream failed", "request", r.Header.Get(service.RequestID), "tenant", x.tenant, "target", x.target.kind, "error", err)
	var timeout net.Error
	switch {
	case dialFailed(err):
		p := service.Refuse(http.StatusBadGateway, "unreachable", "the service can't be reached; nothing was done")
		p.RetryAfter = time.Second
		return p
	case errors.As(err, &timeout) && timeout.Timeout():
		return service.Refuse(http.StatusGatewayTimeout, "timeout", "the service took too long")
	}
	return service.Refuse(http.StatusBadGateway, "broken", "the service broke off its answer")
}
