package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tenantctl/internal/tenant"
)

// Every token is from and for the platform. Another product that signs with the same kind of key has other names.
const (
	issuer   = "tenantctl"
	audience = "tenantctl-platform"
)

// wire is a token's payload.
type wire struct {
	jwt.RegisteredClaims
	Tenant      string   `json:"tenant"`
	Login       string   `json:"login,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
	Use         Use      `json:"use"`
	Family      string   `json:"family,omitempty"`
	Generation  int      `json:"generation,omitempty"`
	Service     string   `json:"service,omitempty"`
}

// sign fills in what the maker left out and signs.
func sign(c Claims, k *key, now time.Time) (string, error) {
	if c.Issued.IsZero() {
		c.Issued = now
	}
	if c.Expires.IsZero() {
		c.Expires = c.Issued.Add(c.Use.life())
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if err := c.check(); err != nil {
		return "", err
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, wire{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: c.Subject, ID: c.ID,
			IssuedAt: jwt.NewNumericDate(c.Issued), NotBefore: jwt.NewNumericDate(c.Issued), ExpiresAt: jwt.NewNumericDate(c.Expires),
		},
		Tenant: string(c.Tenant), Login: c.Login, Permissions: c.Permissions, Use: c.Use,
		Family: c.Family, Generation: c.Generation, Service: c.Service,
	})
	unsigned.Header["kid"] = k.ID
	signed, err := unsigned.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(signed) > MaxSize {
		return "", fmt.Errorf("token is %d bytes long, %d are allowed: %w", len(signed), MaxSize, tenant.ErrInvalid)
	}
	return signed, nil
}

// check refuses claims that no Verifier would accept.
func (c Claims) check() error {
	if _, err := tenant.ParseName(string(c.Tenant)); err != nil {
		return err
	}
	switch {
	case c.Use.life() == 0:
		return fmt.Errorf("token for the use %q: %w", c.Use, tenant.ErrInvalid)
	case (c.Use == Service) != (c.Service != ""):
		return fmt.Errorf("a token has the name of a service if and only if its use is service: %w", tenant.ErrInvalid)
	case (c.Use == Service) == (c.Subject != ""):
		return fmt.Errorf("a token has a subject unless its use is service: %w", tenant.ErrInvalid)
	case (c.Use == Refresh) != (c.Family != "") || c.Generation < 0:
		return fmt.Errorf("a token has a family if and only if its use is refresh, and a generation that isn't negative: %w", tenant.ErrInvalid)
	case !c.Expires.After(c.Issued):
		return fmt.Errorf("token would expire before it is issued: %w", tenant.ErrInvalid)
	}
	return nil
}

// errUnknownKey tells the Verifier's caller within this package that a newer set of keys may have the one that is named.
var errUnknownKey = errors.New("unknown key")

// publicKeys looks a key up by its id.
type publicKeys map[string]ed25519.PublicKey

// parse checks a token in every respect. Only the algorithm that we sign with is known here, so that a token can't choose another.
func parse(raw string, use Use, keys publicKeys, now time.Time) (Claims, error) {
	if len(raw) > MaxSize {
		return Claims{}, ErrInvalid
	}
	var w wire
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(raw, &w, func(t *jwt.Token) (any, error) {
		if _, extended := t.Header["crit"]; extended { // says: refuse me unless you know what this means
			return nil, ErrInvalid
		}
		id, _ := t.Header["kid"].(string)
		public, found := keys[id]
		if id == "" || !found {
			return nil, errUnknownKey
		}
		return public, nil
	})
	if errors.Is(err, errUnknownKey) {
		return Claims{}, errUnknownKey
	}
	if err != nil {
		return Claims{}, ErrInvalid
	}
	return w.judge(use, now)
}

// judge checks what a token says, once it is known to be signed. Expiry comes last: it is told apart from the rest.
func (w wire) judge(use Use, now time.Time) (Claims, error) {
	if w.ExpiresAt == nil || w.IssuedAt == nil || w.NotBefore == nil {
		return Claims{}, ErrInvalid
	}
	ours := w.Issuer == issuer && len(w.Audience) == 1 && w.Audience[0] == audience && w.Use == use
	begun := !w.IssuedAt.After(now.Add(leeway)) && !w.NotBefore.After(now.Add(leeway))
	c := Claims{
		Tenant: tenant.Name(w.Tenant), Subject: w.Subject, Login: w.Login, Permissions: w.Permissions, Use: w.Use,
		Family: w.Family, Generation: w.Generation, Service: w.Service, ID: w.ID, Issued: w.IssuedAt.Time, Expires: w.ExpiresAt.Time,
	}
	if !ours || !begun || c.ID == "" || c.check() != nil {
		return Claims{}, ErrInvalid
	}
	if !now.Before(c.Expires.Add(leeway)) {
		return Claims{}, ErrExpired
	}
	return c, nil
}
