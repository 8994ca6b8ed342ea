package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// Failures are counted for a login from wherever, and for an address with whatever login. After some the next try has to wait,
// twice as long each time, up to longestWait and no longer: a guesser gets two tries a minute, and whoever wants to lock a user
// out keeps them waiting that long at most. Where user and address have come together before, only what fails of the two together
// counts, so that such a user doesn't wait for a stranger at all.
const (
	freeByLogin   = 5
	freeByAddress = 20
	longestWait   = 30 * time.Second
	forgetAfter   = 15 * time.Minute
	knownFor      = 30 * 24 * time.Hour
	// purgeRows bounds what one failure takes away of what nobody needs any more.
	purgeRows = 20
)

// bucket is one count of failures.
type bucket struct {
	kind, key string
	free      int
}

// attempt is a try to log in, charged as failed before it is looked at: however many come at once, no more than the limit are.
type attempt struct{ buckets []bucket }

func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// charge counts an attempt, or refuses it with how long to wait.
func charge(ctx context.Context, tx scope.Tx, login string, address netip.Addr) (attempt, error) {
	pair := bucket{"pair", keyOf(login, address.String()), freeByLogin}
	var known bool
	err := tx.QueryRow(ctx, `select exists (select from login_attempts where kind = 'pair' and key = $1 and succeeded_at > now() - $2::interval)`,
		pair.key, knownFor).Scan(&known)
	if err != nil {
		return attempt{}, err
	}
	a := attempt{[]bucket{{"login", keyOf(login), freeByLogin}, {"address", keyOf(address.String()), freeByAddress}}}
	if known {
		a.buckets = []bucket{pair}
	}
	for _, b := range a.buckets { // always in this order, so that no two wait for each other
		if err := b.charge(ctx, tx); err != nil {
			return attempt{}, err
		}
	}
	return a, purge(ctx, tx)
}

// chargeSQL counts unless the bucket is blocked. Waiting for another try's row takes time, hence the clock's and not the
// transaction's.
const chargeSQL = `
	insert into login_attempts as a (kind, key, failures, failed_at) values ($1, $2, 1, clock_timestamp())
	on conflict (kind, key) do update set
		failures = case when a.failed_at > clock_timestamp() - $4::interval then a.failures + 1 else 1 end,
		failed_at = clock_timestamp(), touched_at = clock_timestamp(),
		blocked_until = case when a.failed_at > clock_timestamp() - $4::interval and a.failures + 1 >= $3
			then clock_timestamp() + least($5::interval, interval '1 second' * 2 ^ least(a.failures + 1 - $3, 20)) end
	where a.blocked_until is null or a.blocked_until <= clock_timestamp()
	returning failures`

func (b bucket) charge(ctx context.Context, tx scope.Tx) error {
	var failures int
	err := tx.QueryRow(ctx, chargeSQL, b.kind, b.key, b.free, forgetAfter, longestWait).Scan(&failures)
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	var wait time.Duration
	err = tx.QueryRow(ctx, `select greatest(blocked_until - clock_timestamp(), interval '0') from login_attempts where kind = $1 and key = $2`, b.kind, b.key).Scan(&wait)
	if err != nil {
		return err
	}
	p := service.Refuse(http.StatusTooManyRequests, "too-many-failures", "too many failures; try again later")
	p.RetryAfter = max(wait, time.Second)
	return p
}

// refund takes a charge back: the login begins anew; of the address only this one try is forgiven, so that nobody guesses on by
// logging in as themselves in between.
func (a attempt) refund(ctx context.Context, tx scope.Tx, login string, address netip.Addr) error {
	for _, b := range a.buckets {
		left := 0
		if b.kind == "address" {
			left = 1 // less
		}
		_, err := tx.Exec(ctx, `
			update login_attempts set failures = case when $3 = 1 then greatest(failures - 1, 0) else 0 end,
			       blocked_until = case when $3 = 1 and failures - 1 >= $4 then blocked_until end
			where kind = $1 and key = $2`, b.kind, b.key, left, b.free)
		if err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `
		insert into login_attempts (kind, key, succeeded_at) values ('pair', $1, clock_timestamp())
		on conflict (kind, key) do update set succeeded_at = clock_timestamp(), touched_at = clock_timestamp()`, keyOf(login, address.String()))
	return err
}

// purge removes some counts that mean nothing any more.
func purge(ctx context.Context, tx scope.Tx) error {
	_, err := tx.Exec(ctx, `
		delete from login_attempts where (kind, key) in (
			select kind, key from login_attempts
			where touched_at < now() - case kind when 'pair' then $1::interval else $2::interval end
			order by touched_at limit $3 for update skip locked)`, knownFor, forgetAfter, purgeRows)
	return err
}

// addressOf is where a request comes from. X-Forwarded-For is believed from a proxy that we know, as far as that proxy wrote it.
func (a *auth) addressOf(r *http.Request) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a listener without addresses: all share one count
	}
	address := remote.Addr().Unmap()
	if !slices.ContainsFunc(a.proxies, func(known netip.Prefix) bool { return known.Contains(address) }) {
		return wide(address)
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if last, err := netip.ParseAddr(strings.TrimSpace(forwarded[len(forwarded)-1])); err == nil {
		address = last.Unmap()
	}
	return wide(address)
}

// wide is the network that one party has: of IPv6 everybody has a /64 to choose addresses from.
func wide(address netip.Addr) netip.Addr {
	if address.Is4() {
		return address
	}
	prefix, err := address.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.Addr()
}
