// Package token makes and checks the platform's tokens: JWTs signed with Ed25519, each of which names one tenant.
//
// A Keyring holds the private keys, as files in a folder, and signs. Whoever only checks uses a Remote, which fetches the public
// keys from auth. Both are Verifiers and refuse alike: what isn't exactly one of our tokens is ErrInvalid, whatever is wrong with it.
package token

import (
	"context"
	"errors"
	"time"

	"tenantctl/internal/tenant"
)

// What is said of a token that isn't accepted. Neither error says more: whoever made the token may read it.
var (
	// ErrInvalid is a token that was never ours, or isn't meant for this use.
	ErrInvalid = errors.New("token is not valid")
	// ErrExpired is a token of ours whose time is over.
	ErrExpired = errors.New("token has expired")
	// ErrUnavailable isn't about the token: the public keys could not be had, so that nothing can be said of it.
	ErrUnavailable = errors.New("signing keys are unavailable")
)

// Use is what a token may be used for. A token of one use is invalid for every other.
type Use string

// The uses, and how long such a token lives where its maker doesn't say.
const (
	Access  Use = "access"  // sent with each request of a user
	Refresh Use = "refresh" // exchanged, once, for a new pair of tokens
	Service Use = "service" // sent by a service that acts on its own

	AccessLife  = 10 * time.Minute
	RefreshLife = 30 * 24 * time.Hour
	ServiceLife = time.Minute
)

// MaxSize is the longest token in bytes: what proxies and servers let through as a header.
const MaxSize = 6 << 10

// leeway is how far the clocks of two machines may be apart.
const leeway = 5 * time.Second

// Claims are what a token says.
type Claims struct {
	Tenant      tenant.Name
	Subject     string // the user's id; empty for a service
	Login       string
	Permissions []string
	Use         Use
	Family      string // refresh: all tokens that follow from one log-in
	Generation  int    // refresh: rises with each exchange
	Service     string // service: which one
	ID          string // unique; made when signed
	Issued      time.Time
	Expires     time.Time
}

// Verifier checks a token's signature, time and use. The error is ErrInvalid, ErrExpired or ErrUnavailable.
type Verifier interface {
	Verify(ctx context.Context, raw string, use Use) (Claims, error)
}

// life is how long a token of a use lives where its maker doesn't say.
func (u Use) life() time.Duration {
	switch u {
	case Access:
		return AccessLife
	case Refresh:
		return RefreshLife
	case Service:
		return ServiceLife
	}
	return 0
}
