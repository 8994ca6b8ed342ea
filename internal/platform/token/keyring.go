package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tenantctl/internal/tenant"
)

const (
	// CacheTime is how long a Remote, or anybody who obeys the answer's headers, keeps the public keys.
	CacheTime = 5 * time.Minute
	// Lead is how long a new key is published before it signs: until then somebody may not have heard of it.
	Lead = CacheTime + time.Minute
	// rereadAfter is how long a Keyring trusts what it read. A few small files cost little, and no watcher can miss a change.
	rereadAfter = 2 * time.Second
)

// Keyring is a folder of signing keys. It is safe for concurrent use, by any number of processes: what one changes the others
// see within seconds.
type Keyring struct {
	dir string
	now func() time.Time
	log *slog.Logger

	mutex  sync.Mutex
	keys   []*key // oldest first, retired ones included
	public publicKeys
	read   time.Time
	failed string // what the last reading failed with, said once
}

// KeyringOptions have no required field.
type KeyringOptions struct {
	Now func() time.Time // default: time.Now
	Log *slog.Logger     // hears of a folder that can no longer be read; default: nobody
}

// OpenKeyring reads the keys of a folder. Where there is none the first is made: of several processes that start at once, by one.
func OpenKeyring(dir string, opts KeyringOptions) (*Keyring, error) {
	k := ReadKeyring(dir, opts)
	if err := k.reread(k.now()); err != nil {
		return nil, err
	}
	if len(k.keys) > 0 {
		return k, nil
	}
	err := k.change(func(keys []*key) error {
		if len(keys) > 0 {
			return nil // another process was faster
		}
		first, err := generate(k.now())
		if err != nil {
			return err
		}
		return first.write(k.dir)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// ReadKeyring is a folder's keys as they are, none included.
func ReadKeyring(dir string, opts KeyringOptions) *Keyring {
	k := &Keyring{dir: dir, now: opts.Now, log: opts.Log}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k
}

// Sign makes a token. Issued, Expires and ID are filled in where they are empty.
func (k *Keyring) Sign(c Claims) (string, error) {
	now := k.now()
	keys, _ := k.current(now)
	signing := signingKey(keys, now)
	if signing == nil {
		return "", tenant.WithHint(fmt.Errorf("no signing key in %s: %w", k.dir, tenant.ErrNotFound), "make one: tenantctl keys rotate")
	}
	return sign(c, signing, now)
}

// Verify implements Verifier.
func (k *Keyring) Verify(_ context.Context, raw string, use Use) (Claims, error) {
	now := k.now()
	_, public := k.current(now)
	c, err := parse(raw, use, public, now)
	if errors.Is(err, errUnknownKey) {
		return Claims{}, ErrInvalid
	}
	return c, err
}

// signingKey is the newest that everybody has heard of; where none has been published long enough, the oldest.
func signingKey(keys []*key, now time.Time) *key {
	var signing *key
	for _, candidate := range keys {
		if !candidate.Retired.IsZero() {
			continue
		}
		if signing == nil || !now.Before(candidate.Created.Add(Lead)) {
			signing = candidate
		}
	}
	return signing
}

// current is what the folder holds. What can't be read any more stays as it was.
func (k *Keyring) current(now time.Time) ([]*key, publicKeys) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if now.Sub(k.read) >= rereadAfter || now.Before(k.read) {
		if err := k.rereadLocked(now); err != nil && err.Error() != k.failed {
			k.failed = err.Error()
			k.log.Error("the signing keys can't be read; those that were read before stay in use", "error", err)
		}
	}
	return k.keys, k.public
}

func (k *Keyring) reread(now time.Time) error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.rereadLocked(now)
}

func (k *Keyring) rereadLocked(now time.Time) error {
	k.read = now
	keys, err := readKeys(k.dir)
	if err != nil {
		return err
	}
	k.failed = ""
	k.keys, k.public = keys, publicKeys{}
	for _, each := range keys {
		if each.Retired.IsZero() {
			k.public[each.ID] = each.public
		}
	}
	return nil
}

// change runs do, which is given the keys as they are, while no other process changes the folder.
func (k *Keyring) change(do func([]*key) error) error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("change signing keys: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(k.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("change signing keys: %w", err)
	}
	defer func() { _ = lock.Close() }() // and with it goes the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock signing keys: %w", err)
	}
	keys, err := readKeys(k.dir)
	if err != nil {
		return err
	}
	if err := do(keys); err != nil {
		return err
	}
	return k.reread(k.now())
}
