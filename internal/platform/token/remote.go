package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// refetchAfter is how often at most the keys are asked for: a flood of tokens with made-up key names doesn't become one of requests.
	refetchAfter = 10 * time.Second
	// staleFor is how long keys are used when no newer ones can be had. Without auth nobody gets new tokens, so longer would help nobody
	// but a thief of a retired key.
	staleFor     = time.Hour
	fetchTimeout = 2 * time.Second
	maxKeySet    = 64 << 10
)

// Remote verifies with the public keys that auth publishes. It keeps them for CacheTime, asks again for a key that it doesn't know, and
// goes on with the old ones when auth can't be reached.
type Remote struct {
	url    string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	turn   chan struct{} // holds one token: whoever has it may fetch
	held   atomic.Pointer[fetched]
	tried  atomic.Int64 // unix nanoseconds of the last attempt
}

// fetched is a set of keys and when it was had.
type fetched struct {
	keys publicKeys
	at   time.Time
}

// RemoteOptions have no required field.
type RemoteOptions struct {
	Client *http.Client     // default: one that follows no redirects
	Now    func() time.Time // default: time.Now
	Log    *slog.Logger     // hears of failed attempts; default: nobody
}

// NewRemote verifies by the keys at a URL, such as http://auth:8080/v1/auth/keys. Nothing is fetched before the first token.
func NewRemote(url string, opts RemoteOptions) *Remote {
	r := &Remote{url: url, client: opts.Client, now: opts.Now, log: opts.Log, turn: make(chan struct{}, 1)}
	if r.client == nil {
		r.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Verify implements Verifier.
func (r *Remote) Verify(ctx context.Context, raw string, use Use) (Claims, error) {
	held := r.held.Load()
	if held == nil || !r.now().Before(held.at.Add(CacheTime)) {
		held = r.refresh(ctx, held, held == nil)
	}
	if held == nil || !r.now().Before(held.at.Add(staleFor)) {
		return Claims{}, ErrUnavailable
	}
	c, err := parse(raw, use, held.keys, r.now())
	if errors.Is(err, errUnknownKey) {
		if newer := r.refresh(ctx, held, true); newer != held {
			c, err = parse(raw, use, newer.keys, r.now())
		}
	}
	if errors.Is(err, errUnknownKey) {
		return Claims{}, ErrInvalid
	}
	return c, err
}

// refresh fetches the keys unless that was tried a moment ago, and returns the newest there are. Only one at a time does; others wait
// for it if they must, and go on with what they have if not.
func (r *Remote) refresh(ctx context.Context, had *fetched, wait bool) *fetched {
	select {
	case r.turn <- struct{}{}:
	default:
		if !wait {
			return had
		}
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return r.held.Load()
		}
	}
	defer func() { <-r.turn }()
	now := r.now()
	if held := r.held.Load(); held != had || now.Sub(time.Unix(0, r.tried.Load())) < refetchAfter {
		return held
	}
	r.tried.Store(now.UnixNano())
	keys, err := r.fetch(ctx)
	if err != nil {
		r.log.Warn("the signing keys could not be fetched", "url", r.url, "error", err)
		return had
	}
	r.held.Store(&fetched{keys: keys, at: now})
	return r.held.Load()
}

// fetch doesn't end with the request that it serves: others wait for the same keys.
func (r *Remote) fetch(ctx context.Context) (publicKeys, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet))
	if err != nil {
		return nil, err
	}
	keys, err := parseKeySet(text)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key that can be used")
	}
	return keys, nil
}
