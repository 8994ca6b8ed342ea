package auth

import (
	"context"
	"crypto/md5" //nolint:gosec // what the old monolith hashed with
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// Cost is what computing a hash takes. The hash says with which it was made, so that it can be raised at any time.
type Cost struct {
	Memory  uint32 // KiB
	Rounds  uint32
	Threads uint8
}

// DefaultCost takes about 20 ms of one core, after OWASP's recommendation for argon2id.
func DefaultCost() Cost { return Cost{Memory: 19 << 10, Rounds: 2, Threads: 1} }

// maxCost bounds what a hash in the database may make us do.
func maxCost() Cost { return Cost{Memory: 256 << 10, Rounds: 16, Threads: 16} }

func (c Cost) atMost(other Cost) bool {
	return c.Memory <= other.Memory && c.Rounds <= other.Rounds && c.Threads <= other.Threads
}

const (
	saltSize  = 16
	hashSize  = 32
	md5Prefix = "legacy-md5$"
	// maxWaiting is how many log-ins of one tenant wait for a turn. Beyond it they are told to come again, so that a flood of one
	// tenant's doesn't fill the queue of all.
	maxWaiting = 16
	maxTurn    = 5 * time.Second
)

// hasher computes and checks hashes, a bounded number at a time: each takes its Memory, whoever asks.
type hasher struct {
	cost  Cost
	turns chan struct{}

	mutex   sync.Mutex
	waiting map[tenant.Name]int
}

func newHasher(cost Cost, parallel int) *hasher {
	return &hasher{cost: cost, turns: make(chan struct{}, parallel), waiting: map[tenant.Name]int{}}
}

// turn waits for one. ErrBusy: too many wait already, or it took too long.
func (h *hasher) turn(ctx context.Context, t tenant.Name) (done func(), err error) {
	h.mutex.Lock()
	if h.waiting[t] >= maxWaiting {
		h.mutex.Unlock()
		return nil, fmt.Errorf("wait to compute a hash: %w", scope.ErrBusy)
	}
	h.waiting[t]++
	h.mutex.Unlock()
	defer h.left(t)
	timer := time.NewTimer(maxTurn)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-timer.C:
		return nil, fmt.Errorf("wait to compute a hash: %w", scope.ErrBusy)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *hasher) left(t tenant.Name) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.waiting[t]--; h.waiting[t] == 0 {
		delete(h.waiting, t)
	}
}

// make hashes a password.
func (h *hasher) make(ctx context.Context, t tenant.Name, password string) (string, error) {
	done, err := h.turn(ctx, t)
	if err != nil {
		return "", err
	}
	defer done()
	return h.compute(password), nil
}

func (h *hasher) compute(password string) string {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(password), salt, h.cost.Rounds, h.cost.Memory, h.cost.Threads, hashSize)
	return format(h.cost, salt, sum)
}

// verdict is what a check found. Fresh is the hash to keep from now on, where the kept one is of an older kind or cheaper.
type verdict struct {
	right bool
	fresh string
}

// check compares a password with a kept hash. Whatever hash there is, none at all included, it computes one argon2id: how long
// it takes tells nobody whether a login exists. (A hash that has to be made anew takes a second one, after the password was right.)
func (h *hasher) check(ctx context.Context, t tenant.Name, login, password, kept string) (verdict, error) {
	done, err := h.turn(ctx, t)
	if err != nil {
		return verdict{}, err
	}
	defer done()
	if sum, legacy := strings.CutPrefix(kept, md5Prefix); legacy {
		computed := md5.Sum([]byte(login + password)) //nolint:gosec // see the import
		fresh := h.compute(password)
		if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(computed[:])), []byte(sum)) == 1 {
			return verdict{right: true, fresh: fresh}, nil
		}
		return verdict{}, nil
	}
	cost, salt, sum, ok := parse(kept)
	if !ok {
		h.compute(password)
		return verdict{}, nil
	}
	computed := argon2.IDKey([]byte(password), salt, cost.Rounds, cost.Memory, cost.Threads, hashSize)
	if subtle.ConstantTimeCompare(computed, sum) != 1 {
		return verdict{}, nil
	}
	found := verdict{right: true}
	if !h.cost.atMost(cost) {
		found.fresh = h.compute(password)
	}
	return found, nil
}

// format writes a hash in the PHC string format, as other argon2 libraries do.
func format(c Cost, salt, sum []byte) string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Rounds, c.Threads, encode(salt), encode(sum))
}

func parse(text string) (c Cost, salt, sum []byte, ok bool) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Rounds, &c.Threads); err != nil || n != 3 {
		return c, nil, nil, false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil || len(salt) < 8 {
		return c, nil, nil, false
	}
	sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	usable := err == nil && len(sum) == hashSize && c.Rounds > 0 && c.Threads > 0 && c.atMost(maxCost())
	return c, salt, sum, usable
}
