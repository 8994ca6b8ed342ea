package gateway

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"tenantctl/internal/platform/token"
)

const (
	// rememberFor is for how long a token that was good is taken to be. A key that is withdrawn is thus believed by the gateway for
	// so long; services, which check each token by themselves, don't believe it at all.
	rememberFor = 10 * time.Second
	// rememberMost is how many tokens are remembered in that time, twice.
	rememberMost = 50_000
)

// remembering is a Verifier that checks a token's signature once in a while, not with every request: that is most of what a request
// costs here. Only good tokens are remembered, by their hash.
type remembering struct {
	token.Verifier
	now func() time.Time

	mutex     sync.Mutex
	since     time.Time // when recent was begun
	recent    map[key]remembered
	remaining map[key]remembered // what recent was before
}

type key struct {
	hash [sha256.Size]byte
	use  token.Use
}

type remembered struct {
	claims  token.Claims
	checked time.Time
}

// Verify implements token.Verifier.
func (v *remembering) Verify(ctx context.Context, raw string, use token.Use) (token.Claims, error) {
	k := key{sha256.Sum256([]byte(raw)), use}
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

func (v *remembering) known(k key) (token.Claims, bool) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	r, ok := v.recent[k]
	if !ok {
		r, ok = v.remaining[k]
	}
	now := v.now()
	return r.claims, ok && now.Sub(r.checked) < rememberFor && now.Before(r.claims.Expires)
}

func (v *remembering) remember(k key, r remembered) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if len(v.recent) >= rememberMost || r.checked.Sub(v.since) >= rememberFor {
		v.remaining, v.recent = v.recent, nil
	}
	if v.recent == nil {
		v.recent, v.since = map[key]remembered{}, r.checked
	}
	v.recent[k] = r
}
