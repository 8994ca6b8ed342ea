package token

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// rememberFor is for how long a token that was good is taken to be. A key that is withdrawn is believed for so long, beside the
	// time for which public keys are kept (CacheTime).
	rememberFor = 10 * time.Second
	// rememberMost is how many tokens are remembered in that time, twice.
	rememberMost = 50_000
)

// Remember is a Verifier that asks another once in ten seconds for each good token.
func Remember(verifier Verifier) Verifier { return &remembering{Verifier: verifier, now: time.Now} }

// remembering is a Verifier that checks a token's signature once in a while, not with every request: that is most of
// what a request costs at the gateway, and half at a service. Only good tokens are remembered, by their hash.
type remembering struct {
	Verifier
	now func() time.Time

	mutex     sync.Mutex
	since     time.Time // when recent was begun
	recent    map[memoryKey]remembered
	remaining map[memoryKey]remembered // what recent was before
}

type memoryKey struct {
	hash [sha256.Size]byte
	use  Use
}

type remembered struct {
	claims  Claims
	checked time.Time
}

// Verify implements Verifier.
func (v *remembering) Verify(ctx context.Context, raw string, use Use) (Claims, error) {
	k := memoryKey{sha256.Sum256([]byte(raw)), use}
	if claims, ok := v.known(k); ok {
		return claims, nil
	}
	began := v.now()
	claims, err := v.Verifier.Verify(ctx, raw, use)
	if err == nil {
		v.remember(k, remembered{claims, began})
	}
	return claims, err
}

func (v *remembering) known(k memoryKey) (Claims, bool) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	r, ok := v.recent[k]
	if !ok {
		r, ok = v.remaining[k]
	}
	now := v.now()
	return r.claims, ok && now.Sub(r.checked) < rememberFor && now.Before(r.claims.Expires)
}

func (v *remembering) remember(k memoryKey, r remembered) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if len(v.recent) >= rememberMost || r.checked.Sub(v.since) >= rememberFor {
		v.remaining, v.recent = v.recent, nil
	}
	if v.recent == nil {
		v.recent, v.since = map[memoryKey]remembered{}, r.checked
	}
	v.recent[k] = r
}
