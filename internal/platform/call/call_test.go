package call

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setup is a client of a service that counts what it is asked.
func setup(t *testing.T, opts Options, handle http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	opts.Target, opts.Pause = "users", time.Millisecond
	if opts.URL == "" {
		opts.URL = server.URL
	}
	client, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client, &asked
}

func TestDo(t *testing.T) {
	t.Parallel()
	client, _ := setup(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, `{"got": %q}`, fmt.Sprint(r.Method, " ", r.URL, " ", string(body), " ", r.Header.Get("Authorization"), " ",
			r.Header.Get("X-Request-Id"), " ", r.Header.Get("Content-Type")))
	})
	incoming := httptest.NewRequest(http.MethodGet, "/", nil)
	incoming.Header.Set("Authorization", "Bearer abc")
	incoming.Header.Set("X-Request-ID", "r-1")
	ctx := For(t.Context(), incoming)
	var answer struct{ Got string }
	require.NoError(t, client.Do(ctx, Request{Path: "/v1/users", Query: map[string][]string{"q": {"a b"}}}, &answer))
	require.Equal(t, "GET /v1/users?q=a+b  Bearer abc r-1 ", answer.Got)
	require.NoError(t, client.Do(ctx, Request{
		Method: http.MethodPost, Path: "/v1/check", Body: map[string]int{"n": 1}, Header: http.Header{"authorization": {"Bearer service"}},
	}, &answer))
	require.Equal(t, `POST /v1/check {"n":1} Bearer service r-1 application/json`, answer.Got)
	require.NoError(t, client.Do(t.Context(), Request{Path: "/v1/users/a%2Fb"}, &answer))
	require.Equal(t, "GET /v1/users/a%2Fb    ", answer.Got, "an escaped id stays one")
}

func TestProblemIsKept(t *testing.T) {
	t.Parallel()
	client, asked := setup(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"type":"about:blank","title":"Too many","status":418,"detail":"slow down","instance":"r-9"}`)
	})
	err := client.Do(t.Context(), Request{Path: "/v1/users"}, nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, Error{Target: "users", Status: 429, Type: "about:blank", Title: "Too many", Detail: "slow down", Instance: "r-9", RetryAfter: 7 * time.Second}, *e)
	require.EqualError(t, err, "GET /v1/users of users: users answered 429 Too many: slow down")
	require.EqualValues(t, 1, asked.Load(), "asked again where it was told to slow down")
}

// What may have been done isn't asked for again, unless doing it twice does no more than doing it once.
func TestAttempts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, key string
		status      int
		asked       int64
	}{
		{http.MethodGet, "", 503, 3},
		{http.MethodHead, "", 502, 3},
		{http.MethodPut, "", 504, 3},
		{http.MethodDelete, "", 503, 3},
		{http.MethodPost, "", 503, 1},
		{http.MethodPatch, "", 503, 1},
		{http.MethodPost, "k-1", 503, 3},
		{http.MethodGet, "", 500, 1},
		{http.MethodGet, "", 404, 1},
		{http.MethodGet, "", 302, 1},
		{http.MethodPost, "k-1", 422, 1},
	} {
		t.Run(fmt.Sprint(c.method, c.key, c.status), func(t *testing.T) {
			t.Parallel()
			client, asked := setup(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
			})
			header := http.Header{}
			if c.key != "" {
				header.Set("Idempotency-Key", c.key)
			}
			var e *Error
			require.ErrorAs(t, client.Do(t.Context(), Request{Method: c.method, Header: header}, nil), &e)
			require.Equal(t, c.status, e.Status)
			require.Equal(t, c.asked, asked.Load())
		})
	}
}

// A connection that breaks in the middle is a POST's last word even when it carries no body.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	broken := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	client, asked := setup(t, Options{}, broken)
	require.ErrorIs(t, client.Do(t.Context(), Request{Method: http.MethodPost}, nil), ErrUnavailable)
	require.EqualValues(t, 1, asked.Load())
	key := http.Header{"Idempotency-Key": {"k-1"}}
	client, asked = setup(t, Options{}, broken)
	require.ErrorIs(t, client.Do(t.Context(), Request{Method: http.MethodPost, Header: key}, nil), ErrUnavailable)
	require.EqualValues(t, 3, asked.Load())

	client, asked = setup(t, Options{}, broken)
	require.ErrorIs(t, client.Do(t.Context(), Request{}, nil), ErrUnavailable)
	require.EqualValues(t, 3, asked.Load())
}

func TestSecondAttemptSucceeds(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	client, asked := setup(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(body)
	})
	var answer string
	require.NoError(t, client.Do(t.Context(), Request{Method: http.MethodPut, Body: "whole"}, &answer))
	require.Equal(t, "whole", answer)
	require.EqualValues(t, 2, asked.Load())
}

// A service that hangs takes an attempt's time, and what is over for the caller is over for the service.
func TestDeadline(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 10)
	client, asked := setup(t, Options{Timeout: 150 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended <- struct{}{}
	})
	err := client.Do(t.Context(), Request{}, nil)
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Greater(t, asked.Load(), int64(1), "one attempt took all the time")
	for range asked.Load() {
		<-ended
	}

	ctx, cancel := context.WithCancel(t.Context())
	before := asked.Load()
	time.AfterFunc(10*time.Millisecond, cancel)
	require.ErrorIs(t, client.Do(ctx, Request{Method: http.MethodPost}, nil), context.Canceled)
	if asked.Load() > before {
		<-ended
	}
}

func TestCircuit(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	client, asked := setup(t, Options{Attempts: 1, Failures: 3, Open: 50 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	for range 20 {
		require.Error(t, client.Do(t.Context(), Request{}, nil))
	}
	require.EqualValues(t, 3, asked.Load(), "asked although it is known to be down")
	require.ErrorIs(t, client.Do(t.Context(), Request{}, nil), ErrUnavailable)
	down.Store(false)
	require.Eventually(t, func() bool { return client.Do(t.Context(), Request{}, nil) == nil }, time.Minute, 5*time.Millisecond)
	require.NoError(t, client.Do(t.Context(), Request{}, nil))
}

// Callers who give up, and requests that are refused or fail by themselves, say nothing of the service.
func TestCircuitStaysClosed(t *testing.T) {
	t.Parallel()
	client, asked := setup(t, Options{Failures: 2}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		require.ErrorIs(t, client.Do(ctx, Request{Path: "/hang"}, nil), context.Canceled)
		var e *Error
		require.ErrorAs(t, client.Do(t.Context(), Request{Path: "/broken"}, nil), &e)
	}
	require.GreaterOrEqual(t, asked.Load(), int64(5))
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "users:8080", "ftp://users", "http://", ":"} {
		_, err := New(Options{Target: "users", URL: bad})
		require.Error(t, err, bad)
	}
}
