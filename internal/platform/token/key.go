package token

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/tenant"
)

const keySuffix = ".jwk"

// key is one pair of keys. Of a retired one only the name is left.
type key struct {
	ID      string
	Created time.Time
	Retired time.Time
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

// file is how a key lies on disk: a JSON Web Key of RFC 8037 with the times beside it.
type file struct {
	Type    string    `json:"kty"`
	Curve   string    `json:"crv"`
	ID      string    `json:"kid"`
	Public  string    `json:"x,omitempty"`
	Seed    string    `json:"d,omitempty"`
	Created time.Time `json:"created"`
	Retired time.Time `json:"retired,omitzero"`
}

// generate makes a key. Its name begins with the day, so that people see which is which.
func generate(now time.Time) (*key, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	sum := sha256.Sum256(public)
	now = now.UTC().Truncate(time.Second)
	return &key{ID: now.Format("20060102") + "-" + hex.EncodeToString(sum[:4]), Created: now, public: public, private: private}, nil
}

// write puts a key's file in place, whole or not at all, readable by its owner alone.
func (k *key) write(dir string) error {
	content := file{Type: "OKP", Curve: "Ed25519", ID: k.ID, Created: k.Created, Retired: k.Retired}
	if k.private != nil {
		content.Public, content.Seed = encode(k.public), encode(k.private.Seed())
	}
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	fresh, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	defer func() { _ = os.Remove(fresh.Name()) }()
	_, err = fresh.Write(append(text, '\n'))
	if err := errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	if err := os.Rename(fresh.Name(), filepath.Join(dir, k.ID+keySuffix)); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	return nil
}

// readKeys reads a folder, oldest key first. A folder that isn't there has no keys.
func readKeys(dir string) ([]*key, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	var keys []*key
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), keySuffix) {
			continue
		}
		k, err := readKey(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read signing key: %w", err)
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b *key) int {
		if order := a.Created.Compare(b.Created); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	return keys, checkFolder(dir)
}

func readKey(path string) (*key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, tenant.WithHint(fmt.Errorf("%s may be read or written by others (mode %04o): %w", path, info.Mode().Perm(), tenant.ErrRefused),
			"chmod 600 "+path+"; if others could have read it, make a new key: tenantctl keys rotate, then tenantctl keys retire --force")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var content file
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s isn't a key of ours: %w", path, tenant.ErrInvalid) // the cause could quote the key
	}
	if content.Type != "OKP" || content.Curve != "Ed25519" || content.ID+keySuffix != filepath.Base(path) || content.Created.IsZero() {
		return nil, fmt.Errorf("%s isn't a key of ours: %w", path, tenant.ErrInvalid)
	}
	k := &key{ID: content.ID, Created: content.Created, Retired: content.Retired}
	if !k.Retired.IsZero() {
		return k, nil
	}
	seed, err := base64.RawURLEncoding.DecodeString(content.Seed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s isn't a key of ours: %w", path, tenant.ErrInvalid)
	}
	k.private = ed25519.NewKeyFromSeed(seed)
	k.public = k.private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // what the package says it is
	if encode(k.public) != content.Public {
		return nil, fmt.Errorf("%s: its two halves don't belong together: %w", path, tenant.ErrInvalid)
	}
	return k, nil
}

// checkFolder refuses a folder into which others could put a key.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return tenant.WithHint(fmt.Errorf("%s may be written by others (mode %04o): %w", dir, info.Mode().Perm(), tenant.ErrRefused), "chmod 700 "+dir)
	}
	return nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
