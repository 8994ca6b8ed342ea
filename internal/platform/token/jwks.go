package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// KeySet is a JSON Web Key Set (RFC 7517): what auth publishes.
type KeySet struct {
	Keys []PublicKey `json:"keys"`
}

// PublicKey is one Ed25519 key of a set, as RFC 8037 writes it.
type PublicKey struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	Algorithm string `json:"alg"`
	Use       string `json:"use"`
	ID        string `json:"kid"`
	X         string `json:"x"`
}

// KeySet is the public half of every key that isn't retired.
func (k *Keyring) KeySet() KeySet {
	_, public := k.current(k.now())
	set := KeySet{Keys: []PublicKey{}}
	for id, each := range public {
		set.Keys = append(set.Keys, PublicKey{Type: "OKP", Curve: "Ed25519", Algorithm: "EdDSA", Use: "sig", ID: id, X: encode(each)})
	}
	slices.SortFunc(set.Keys, func(a, b PublicKey) int { return strings.Compare(a.ID, b.ID) })
	return set
}

// parseKeySet reads the keys of a set that we can use; a set may have others, for other uses.
func parseKeySet(text []byte) (publicKeys, error) {
	var set KeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	keys := publicKeys{}
	for _, each := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(each.X)
		usable := each.Type == "OKP" && each.Curve == "Ed25519" && (each.Algorithm == "" || each.Algorithm == "EdDSA") && (each.Use == "" || each.Use == "sig")
		if err == nil && usable && each.ID != "" && len(x) == ed25519.PublicKeySize {
			keys[each.ID] = x
		}
	}
	return keys, nil
}
