package service_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

const secret = "s3cr3t"

// wrong are requests that aren't as described, and where.
func wrong() map[string]string {
	return map[string]string{
		`{}`: "/title",
		`{"title": "` + secret + strings.Repeat("x", 30) + `"}`: "/title",
		`{"title": "x", "stars": "` + secret + `"}`:             "/stars",
		`{"title": "x", "stars": 6}`:                            "/stars",
		`{"title": "x", "tags": ["a", "` + secret + `"]}`:       "/tags/1",
		`{"title": "x", "other": "` + secret + `"}`:             "/",
		`{"title": 7, "stars": -1}`:                             "/stars /title",
		`["` + secret + `"]`:                                    "/",
		`{"title": "` + secret:                                  "",
		`{"title": "x"} ` + secret:                              "",
		`` + secret:                                             "",
	}
}

func TestWhatIsWrongIsSaidByItsPlaceAndNotByItsValue(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	header := bearer(b.token(t, "a", "*"))
	for body, at := range wrong() {
		answer, text := b.do(t, call{method: http.MethodPost, path: "/v1/notes", body: body, header: header})
		require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusBadRequest}, answer.StatusCode, body)
		require.NotContains(t, text, secret, body)
		for place := range strings.SplitSeq(at, " ") {
			if place != "" {
				require.Contains(t, text, `"at":"`+place, body)
			}
		}
	}
	p := b.problem(t, call{path: "/v1/notes?limit=" + secret, header: header})
	require.Equal(t, []string{"limit"}, places(p))
	require.NotContains(t, fmt.Sprint(p), secret)
	p = b.problem(t, call{path: "/v1/notes/" + secret, header: header})
	require.Equal(t, []string{"id"}, places(p))
	require.NotContains(t, fmt.Sprint(p), secret)
	answer, _ := b.do(t, call{method: http.MethodPost, path: "/v1/notes", body: `{"title": "x"}`, header: http.Header{"Authorization": header["Authorization"], "Content-Type": {"text/plain"}}})
	require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode)
}

func TestWhatIsWrongIsSaidBriefly(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	body := `{"` + strings.Repeat("x", 900) + `":1}`
	answer, text := b.do(t, call{method: http.MethodPost, path: "/v1/notes", body: body, header: bearer(b.token(t, "a", "*"))})
	require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode)
	require.NotContains(t, text, strings.Repeat("x", 201))
}

func places(p service.Problem) []string {
	var list []string
	for _, field := range p.Fields {
		list = append(list, strings.Trim(field.At, "/"))
	}
	return list
}

func TestABodyHasItsBound(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	header := bearer(b.token(t, "a", "*"))
	for _, body := range []io.Reader{
		strings.NewReader(`{"title": "` + strings.Repeat("x", 2000) + `"}`),
		io.MultiReader(strings.NewReader(`{"title": "`), strings.NewReader(strings.Repeat("x", 2000))), // of unknown length
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/v1/notes", body)
		require.NoError(t, err)
		r.Header = header.Clone()
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode)
	}
}

func TestErrorsOfHandlersTellNoMoreThanTheyShould(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		kind   string
	}{
		"own":         {fmt.Errorf("around: %w", service.NotFound("note")), 404, "not-found"},
		"unknown":     {errors.New(secret), 500, "internal"},
		"busy":        {fmt.Errorf("x: %w", scope.ErrBusy), 503, "busy"},
		"unavailable": {fmt.Errorf("x: %w", scope.ErrUnavailable), 503, "unavailable"},
		"keys":        {token.ErrUnavailable, 503, "unavailable"},
		"missing":     {fmt.Errorf("%s: %w", secret, tenant.ErrNotFound), 404, "not-found"},
		"late":        {context.DeadlineExceeded, 504, "timeout"},
		"unique":      {&pgconn.PgError{Code: "23505", Message: secret, Detail: secret}, 409, "conflict"},
		"check":       {&pgconn.PgError{Code: "23514", Message: secret}, 422, "invalid"},
		"characters":  {&pgconn.PgError{Code: "22P05", Message: secret}, 422, "invalid"},
		"arithmetic":  {&pgconn.PgError{Code: "22012", Message: secret}, 500, "internal"},
		"privilege":   {&pgconn.PgError{Code: "42501", Message: secret}, 403, "forbidden"},
		"shutdown":    {&pgconn.PgError{Code: "57P01", Message: secret}, 503, "unavailable"},
		"statement":   {&pgconn.PgError{Code: "57014", Message: secret}, 504, "timeout"},
		"syntax":      {&pgconn.PgError{Code: "42601", Message: secret}, 500, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, map[string]service.Handler{"greet": func(*service.Request) (service.Response, error) { return service.Response{}, c.err }})
			p := b.problem(t, call{path: "/v1/greeting"})
			require.Equal(t, c.status, p.Status)
			require.Equal(t, c.kind, p.Type)
			require.NotContains(t, fmt.Sprint(p), secret)
		})
	}
}

func TestAPanicEndsItsRequestOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]service.Handler{"greet": func(*service.Request) (service.Response, error) { panic(secret) }})
	for range 2 {
		p := b.problem(t, call{path: "/v1/greeting"})
		require.Equal(t, 500, p.Status)
		require.NotContains(t, fmt.Sprint(p), secret)
	}
	answer, _ := b.do(t, call{path: "/healthz"})
	require.Equal(t, 200, answer.StatusCode)
	_, metrics := b.do(t, call{path: "/metrics"})
	require.Contains(t, metrics, `http_requests_total{code="500",method="GET",route="/v1/greeting",schema_version="",service="notes"} 2`)
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, path := range []string{"/v1/greeting", "/v1/notes", "/nowhere", "/healthz", "/metrics", "/version", "/openapi.yaml"} {
		answer, _ := b.do(t, call{path: path, header: http.Header{service.RequestID: {"mine-1"}}})
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"), path)
		require.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Equal(t, "no-store", answer.Header.Get("Cache-Control"), path)
		require.Equal(t, "mine-1", answer.Header.Get(service.RequestID), path)
	}
	answer, _ := b.do(t, call{path: "/v1/greeting", header: http.Header{service.RequestID: {"not one; " + secret}}})
	require.NotContains(t, answer.Header.Get(service.RequestID), secret)
	require.NotEmpty(t, answer.Header.Get(service.RequestID))
	_, metrics := b.do(t, call{path: "/metrics"})
	require.Contains(t, metrics, `http_requests_total{code="204",method="GET",route="/v1/greeting",schema_version="",service="notes"}`)
	require.Contains(t, metrics, `http_requests_total{code="401",method="GET",route="/v1/notes",schema_version="",service="notes"}`)
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := setup(t, map[string]service.Handler{"listNotes": func(r *service.Request) (service.Response, error) {
		return service.List(r, func(limit int, after *int) (items []int, err error) {
			first := 1
			if after != nil {
				first = *after + 1
			}
			for i := first; i <= 5 && len(items) < limit; i++ {
				items = append(items, i)
			}
			return items, nil
		}, func(last int) int { return last })
	}})
	header := bearer(b.token(t, "a", "*"))
	next := base64.RawURLEncoding.EncodeToString([]byte("2"))
	_, body := b.do(t, call{path: "/v1/notes?limit=2", header: header})
	require.JSONEq(t, `{"items": [1, 2], "next": "`+next+`"}`, body)
	_, body = b.do(t, call{path: "/v1/notes?limit=3&after=" + next, header: header})
	require.JSONEq(t, `{"items": [3, 4, 5]}`, body)
	_, body = b.do(t, call{path: "/v1/notes?after=" + base64.RawURLEncoding.EncodeToString([]byte("9")), header: header})
	require.JSONEq(t, `{"items": []}`, body)
	for _, after := range []string{"x", "!", base64.RawURLEncoding.EncodeToString([]byte(`"x"`))} {
		require.Equal(t, 422, b.problem(t, call{path: "/v1/notes?after=" + after, header: header}).Status)
	}
}

// TestNoRequestIsDroppedAtTheEnd ends a service that clients are asking all the time. Once it isn't ready they stop, as a load
// balancer would; until then nothing may fail.
func TestNoRequestIsDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	opts := options(t, nil)
	opts.Handlers["greet"] = func(*service.Request) (service.Response, error) {
		time.Sleep(20 * time.Millisecond)
		return service.JSON(http.StatusOK, "hello"), nil
	}
	s, err := service.New(opts)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get := func(path string) (int, error) {
		answer, err := client.Get(url + path)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, errors.Join(err, answer.Body.Close())
	}
	var leaving atomic.Bool
	var served atomic.Int64
	failures := make(chan error, 100)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			for !leaving.Load() {
				if status, err := get("/v1/greeting"); err != nil || status != http.StatusOK {
					failures <- fmt.Errorf("%d: %w", status, err)
					return
				}
				served.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return served.Load() > 20 }, 10*time.Second, time.Millisecond)
	end()
	require.Eventually(t, func() bool { status, _ := get("/readyz"); return status == http.StatusServiceUnavailable }, time.Second, time.Millisecond)
	leaving.Store(true)
	group.Wait()
	require.NoError(t, <-ended)
	require.Empty(t, failures)
	_, err = net.Dial("tcp", listener.Addr().String())
	require.Error(t, err)
}

// A body that stops coming ends its request; an answer may go on for as long as it likes.
func TestOnlyBodiesHaveATime(t *testing.T) {
	t.Parallel()
	opts := options(t, nil)
	opts.Read = 200 * time.Millisecond
	opts.Handlers["greet"] = func(r *service.Request) (service.Response, error) {
		return service.Response{Stream: func(w http.ResponseWriter) error {
			for range 3 {
				select {
				case <-time.After(opts.Read):
				case <-r.Context().Done():
					return r.Context().Err()
				}
				if _, err := io.WriteString(w, "still here\n"); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	s, err := service.New(opts)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	defer func() { end(); require.NoError(t, <-ended) }()
	answer, err := http.Get("http://" + listener.Addr().String() + "/v1/greeting")
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, errors.Join(err, answer.Body.Close()))
	require.Equal(t, strings.Repeat("still here\n", 3), string(body))
	http.DefaultClient.CloseIdleConnections()

	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET /v1/greeting HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 10\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	slow, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, slow.StatusCode)
	require.NoError(t, slow.Body.Close())
}

// FuzzBodies sends bodies of any form: none is an error of ours, and none comes back.
func FuzzBodies(f *testing.F) {
	for body := range wrong() {
		f.Add(body)
	}
	f.Add(`{"title":"x"}`)
	f.Add("\x00\xff{")
	f.Add(strings.Repeat("[", 500))
	f.Fuzz(func(t *testing.T, body string) {
		b := setup(t, nil)
		answer, text := b.do(t, call{method: http.MethodPost, path: "/v1/notes", body: body, header: bearer(b.token(t, "a", "*"))})
		require.Less(t, answer.StatusCode, 500, "%q: %s", body, text)
		if answer.StatusCode >= 400 {
			require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
		}
	})
}
