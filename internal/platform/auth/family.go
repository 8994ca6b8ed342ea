package auth

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
)

// begin records a new family and returns its first token's claims.
func begin(ctx context.Context, tx scope.Tx, c token.Claims) (token.Claims, error) {
	c.Use, c.Permissions = token.Refresh, nil
	c.Family, c.Generation = rand.Text(), 1
	_, err := tx.Exec(ctx, `insert into refresh_families (family, user_id, generation, expires_at) values ($1, $2, 1, now() + $3::interval)`,
		c.Family, c.Subject, token.RefreshLife)
	if err != nil {
		return c, err
	}
	// What nobody can refresh any more goes, a little at a time. A day later than the newest token expires, clocks can't matter.
	_, err = tx.Exec(ctx, `
		delete from refresh_families where family in (
			select family from refresh_families where expires_at < now() - interval '1 day' limit $1 for update skip locked)`, purgeRows)
	return c, err
}

// outcome is what became of a refresh token.
type outcome string

const (
	rotated outcome = "rotated"
	reused  outcome = "reused"  // older than the newest of its family, which is revoked by that
	refused outcome = "refused" // revoked before, or issued before the user's log-ins were ended
)

// rotate exchanges a token: the family goes on to the next generation if this one is the newest. A family that isn't known, but
// whose token is signed by us, was begun by the monolith or by a platform whose data is gone: it is taken over at the token's
// generation. So is one whose token is ahead of what we know: it went on at the monolith while the route led there.
func rotate(ctx context.Context, tx scope.Tx, c token.Claims) (outcome, error) {
	var current bool
	err := tx.QueryRow(ctx, `select sessions_from is null or sessions_from <= $2 from credentials where user_id = $1`, c.Subject, c.Issued).Scan(&current)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !current {
		return refused, nil
	}
	if err != nil {
		return "", err
	}
	if err := adopt(ctx, tx, c); err != nil {
		return "", err
	}
	var generation int
	var owner string
	var revoked *string
	err = tx.QueryRow(ctx, `select generation, user_id, revoked from refresh_families where family = $1 for update`, c.Family).Scan(&generation, &owner, &revoked)
	if err != nil {
		return "", err
	}
	switch {
	case revoked != nil || owner != c.Subject:
		return refused, nil
	case generation > c.Generation:
		_, err := tx.Exec(ctx, `update refresh_families set revoked = 'reuse' where family = $1`, c.Family)
		return reused, err
	}
	_, err = tx.Exec(ctx, `update refresh_families set generation = $3 + 1, expires_at = now() + $2::interval where family = $1`, c.Family, token.RefreshLife, c.Generation)
	return rotated, err
}

func adopt(ctx context.Context, tx scope.Tx, c token.Claims) error {
	_, err := tx.Exec(ctx, `
		insert into refresh_families (family, user_id, generation, expires_at) values ($1, $2, $3, greatest($4, now() + $5::interval))
		on conflict do nothing`, c.Family, c.Subject, c.Generation, c.Expires, token.RefreshLife)
	return err
}

// reason is why a family was revoked.
type reason string

const (
	byLogout   reason = "logout"
	byPassword reason = "password"
	byInactive reason = "inactive"
)

// endFamily revokes one log-in, of the user only.
func endFamily(ctx context.Context, tx scope.Tx, c token.Claims, why reason) error {
	if err := adopt(ctx, tx, c); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update refresh_families set revoked = $3 where family = $1 and user_id = $2 and revoked is null`, c.Family, c.Subject, string(why))
	return err
}

// endAll revokes every log-in of a user, those that we haven't seen yet included. Tokens tell seconds: one that is issued in this very
// second is new. The clock is the server's: one of ours that is slow would let log-ins live on that are older than the new password.
func endAll(ctx context.Context, tx scope.Tx, user string, why reason) error {
	_, err := tx.Exec(ctx, `update refresh_families set revoked = $2 where user_id = $1 and revoked is null`, user, string(why))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update credentials set sessions_from = date_trunc('second', clock_timestamp()) where user_id = $1`, user)
	return err
}
