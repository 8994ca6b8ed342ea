// Package call is how one service asks another over HTTP when it needs the answer: within a deadline, tried again only where
// that can't do a thing twice, not at all while the other one is known to be down, and in the name of whoever asked first.
package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"tenantctl/internal/telemetry"
)

// Options configure a Client. What is zero has the default named beside it.
type Options struct {
	Target    string            // the other service's name, for errors
	URL       string            // where it is: http://users:8080
	Timeout   time.Duration     // of a call with all its attempts: 3 s; a caller's own deadline may be sooner
	Attempts  int               // how often a call that may be repeated is tried: 3
	Pause     time.Duration     // before the second attempt, at most; doubled before each further one: 50 ms
	Failures  int               // in a row, after which the circuit opens: 5
	Open      time.Duration     // how long it stays open: 2 s; then one call tries
	Transport http.RoundTripper // nil: one of the client's own
}

// Client calls one service. It is safe for concurrent use, and should be made once.
type Client struct {
	opts    Options
	base    *url.URL
	http    *http.Client
	breaker *gobreaker.CircuitBreaker[*answer]
}

// Request is what is asked.
type Request struct {
	Method string      // "" is GET
	Path   string      // below the service's URL, escaped where it has to be
	Query  url.Values  //
	Header http.Header // sent beside the caller's; an Authorization here takes the place of the caller's
	Body   any         // sent as JSON; nil: none
}

const (
	maxAnswer = 4 << 20
	maxIdle   = 64
)

// New makes a client.
func New(opts Options) (*Client, error) {
	base, err := url.Parse(opts.URL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("URL of service %s: %q is no http(s) URL", opts.Target, opts.URL)
	}
	defaults(&opts)
	c := &Client{opts: opts, base: base, http: &http.Client{
		Transport: opts.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect would carry the caller's token elsewhere
		},
	}}
	c.breaker = gobreaker.NewCircuitBreaker[*answer](gobreaker.Settings{
		Name:         opts.Target,
		Timeout:      opts.Open,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return int(n.ConsecutiveFailures) >= opts.Failures },
		IsSuccessful: func(err error) bool { return !down(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return c, nil
}

func defaults(o *Options) {
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.Pause <= 0 {
		o.Pause = 50 * time.Millisecond
	}
	if o.Failures <= 0 {
		o.Failures = 5
	}
	if o.Open <= 0 {
		o.Open = 2 * time.Second
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout: 2 * time.Second, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: 30 * time.Second,
			ForceAttemptHTTP2: true,
		}
	}
}

// Close closes connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do asks, and decodes an answer of 2xx into a pointer; nil: it isn't looked at. Any other answer is an *Error, and none at
// all is ErrUnavailable.
func (c *Client) Do(ctx context.Context, r Request, into any) error {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return fmt.Errorf("%s %s of %s: encode the request: %w", r.Method, r.Path, c.opts.Target, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	a, err := c.attempts(ctx, r, body)
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", r.Method, r.Path, c.opts.Target, err)
	}
	if into == nil || len(a.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("%s %s of %s: decode the answer: %w", r.Method, r.Path, c.opts.Target, err)
	}
	return nil
}

// attempts asks until there is an answer that another attempt wouldn't better, or no time left for one.
func (c *Client) attempts(ctx context.Context, r Request, body []byte) (*answer, error) {
	attempts := 1
	if repeatable(r) {
		attempts = c.opts.Attempts
	}
	for attempt := 1; ; attempt++ {
		a, err := c.attempt(ctx, r, body, c.opts.Timeout/time.Duration(attempts))
		if err == nil || attempt == attempts || !down(err) || errors.Is(err, gobreaker.ErrOpenState) {
			return a, err
		}
		if !c.pause(ctx, attempt, err) {
			return nil, err
		}
	}
}

// pause waits before another attempt: a random part of a time that doubles, so that those who failed together don't come back
// together, and no shorter than the service asks for. It is false where no time is left.
func (c *Client) pause(ctx context.Context, attempt int, err error) bool {
	wait := rand.N(c.opts.Pause << (attempt - 1))
	if e := (*Error)(nil); errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// answer is one of 2xx.
type answer struct{ body []byte }

// attempt asks once. It has only its part of the time, so that a server that hangs leaves some for the next one.
func (c *Client) attempt(ctx context.Context, r Request, body []byte, timeout time.Duration) (*answer, error) {
	a, err := c.breaker.Execute(func() (*answer, error) {
		attempt, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		a, err := c.send(attempt, r, body)
		if e := (*Error)(nil); err == nil || errors.As(err, &e) {
			return a, err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, fmt.Errorf("%w: it failed a moment ago: %w", ErrUnavailable, err)
	}
	return a, err
}

func (c *Client) send(ctx context.Context, r Request, body []byte) (*answer, error) {
	ctx, span := telemetry.Start(ctx, telemetry.Client, r.Method, slog.String("http.request.method", r.Method), slog.String("server.address", c.base.Hostname()),
		slog.String("peer.service", c.opts.Target))
	defer span.End()
	request, err := c.request(ctx, r, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		span.Fail("unreachable")
	} else {
		span.Set(slog.Int("http.response.status_code", response.StatusCode))
	}
	var sent *url.Error
	if errors.As(err, &sent) {
		return nil, sent.Err // without the URL, whose query may hold what nobody should read in a log
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(content) > maxAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, problem(c.opts.Target, response, content)
	}
	return &answer{body: content}, nil
}

func (c *Client) request(ctx context.Context, r Request, body []byte) (*http.Request, error) {
	target := c.base.String()
	if r.Path != "" {
		target = c.base.JoinPath(r.Path).String()
	}
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, target, content)
	if err != nil {
		return nil, err
	}
	callerOf(ctx).set(request.Header)
	telemetry.ToHeader(ctx, request.Header)
	for name, values := range r.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	request.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	} else if key, ok := request.Header[idempotencyKey]; ok {
		// The transport repeats by itself what has this header, spelled so, and no body. Here attempts are counted in one place.
		delete(request.Header, idempotencyKey)
		request.Header[strings.ToLower(idempotencyKey)] = key
	}
	return request, nil
}

// repeatable tells whether doing it twice does what doing it once does.
func repeatable(r Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get(idempotencyKey) != ""
}
