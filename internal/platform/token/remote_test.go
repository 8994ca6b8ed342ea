package token_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/token"
)

// published serves a keyring's public keys and counts how often it is asked.
type published struct {
	ring  *token.Keyring
	asked atomic.Int32
	down  atomic.Bool
	delay chan struct{} // answers wait for it, where there is one
	*httptest.Server
}

func publish(t *testing.T, ring *token.Keyring) *published {
	t.Helper()
	p := &published{ring: ring}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		if p.delay != nil {
			<-p.delay
		}
		if p.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(p.ring.KeySet())
	}))
	t.Cleanup(p.Close)
	return p
}

func remote(t *testing.T, p *published, c *clock) *token.Remote {
	t.Helper()
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	return token.NewRemote(p.URL, token.RemoteOptions{Client: client, Now: c.now})
}

func TestRemoteKeepsKeysAndLearnsOfNewOnes(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	ring := keyring(t, dir, c)
	server := publish(t, ring)
	r := remote(t, server, c)
	for range 20 {
		_, err := r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, server.asked.Load())

	// A key that signs at once, because the only other one was stolen: the remote hasn't heard of it.
	infos, err := ring.List()
	require.NoError(t, err)
	stolen := mustSign(t, ring)
	_, err = ring.Rotate()
	require.NoError(t, err)
	require.NoError(t, ring.Retire(infos[0].ID, token.RetireNow))
	_, err = r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.Equal(t, token.ErrInvalid, err, "asked within the last ten seconds")
	c.advance(10 * time.Second)
	_, err = r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.NoError(t, err)
	require.EqualValues(t, 2, server.asked.Load())
	_, err = r.Verify(t.Context(), stolen, token.Refresh)
	require.Equal(t, token.ErrInvalid, err)
	c.advance(token.CacheTime)
	_, err = r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.NoError(t, err)
	require.EqualValues(t, 3, server.asked.Load())
}

func TestAFloodOfUnknownKeysAsksOnce(t *testing.T) {
	t.Parallel()
	c := newClock()
	ring, stranger := keyring(t, t.TempDir(), c), keyring(t, t.TempDir(), c)
	server := publish(t, ring)
	r := remote(t, server, c)
	foreign := mustSign(t, stranger)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { _, _ = r.Verify(t.Context(), foreign, token.Refresh) })
	}
	group.Wait()
	_, err := r.Verify(t.Context(), foreign, token.Refresh)
	require.Equal(t, token.ErrInvalid, err)
	require.EqualValues(t, 1, server.asked.Load())
}

func TestRemoteGoesOnWhileAuthIsAway(t *testing.T) {
	t.Parallel()
	c := newClock()
	ring := keyring(t, t.TempDir(), c)
	server := publish(t, ring)
	r := remote(t, server, c)
	server.down.Store(true)
	_, err := r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.Equal(t, token.ErrUnavailable, err, "no keys at all: nothing can be said of the token")
	server.down.Store(false)
	c.advance(10 * time.Second)
	_, err = r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.NoError(t, err)

	server.down.Store(true)
	c.advance(token.CacheTime + time.Minute)
	_, err = r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.NoError(t, err, "stale keys are better than none")
	c.advance(time.Hour)
	_, err = r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
	require.Equal(t, token.ErrUnavailable, err, "but not for ever")
}

// TestAnImpatientCallerDoesNotSpoilTheFetch: whoever hangs up while the keys are fetched must not keep them from others.
func TestAnImpatientCallerDoesNotSpoilTheFetch(t *testing.T) {
	t.Parallel()
	c := newClock()
	ring := keyring(t, t.TempDir(), c)
	server := publish(t, ring)
	server.delay = make(chan struct{})
	r := remote(t, server, c)
	ctx, cancel := context.WithCancel(t.Context())
	raw := mustSign(t, ring)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = r.Verify(ctx, raw, token.Refresh)
	}()
	require.Eventually(t, func() bool { return server.asked.Load() == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	close(server.delay)
	<-done
	_, err := r.Verify(t.Context(), raw, token.Refresh)
	require.NoError(t, err)
	require.EqualValues(t, 1, server.asked.Load())
}

func TestOnlyUsableKeysOfASetAreTaken(t *testing.T) {
	t.Parallel()
	c := newClock()
	ring := keyring(t, t.TempDir(), c)
	var text atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(*text.Load())) }))
	t.Cleanup(server.Close)
	set, err := json.Marshal(ring.KeySet())
	require.NoError(t, err)
	id := ring.KeySet().Keys[0].ID
	for given, want := range map[string]error{
		string(set):     nil,
		`{"keys":[]}`:   token.ErrUnavailable,
		`<html></html>`: token.ErrUnavailable,
		`{"keys":[{"kty":"oct","kid":"` + id + `","k":"c2VjcmV0","alg":"HS256"}]}`:                 token.ErrUnavailable,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"` + id + `","x":"AAAA"}]}`:                   token.ErrUnavailable,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"` + id + `","use":"enc","x":"` + id + `"}]}`: token.ErrUnavailable,
	} {
		text.Store(&given)
		client := &http.Client{}
		r := token.NewRemote(server.URL, token.RemoteOptions{Client: client, Now: c.now})
		_, err := r.Verify(t.Context(), mustSign(t, ring), token.Refresh)
		require.Equal(t, want, err, given)
		client.CloseIdleConnections()
	}
}
