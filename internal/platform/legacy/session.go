package legacy

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
)

// A log-in that was refreshed or ended is a row of settings, as the monolith keeps everything that has no table: "session.FAMILY".
// One that was neither isn't there, nor is one that the platform began.
const (
	adoptSQL = `insert into settings (name, value) values ('session.' || $1, json_build_object('user', $2::text, 'generation', $3::int)::text) on conflict do nothing`
	knownSQL = `select value::jsonb ->> 'user', (value::jsonb ->> 'generation')::int, value::jsonb ? 'ended' from settings where name = 'session.' || $1 for update`
	nextSQL  = `update settings set changed = now(), value = (value::jsonb || json_build_object('generation', $2::int)::jsonb)::text where name = 'session.' || $1`
	endSQL   = `update settings set changed = now(), value = (value::jsonb || '{"ended": true}')::text where name = 'session.' || $1`
	purgeSQL = `delete from settings where name in (
		select name from settings where name like 'session.%' and changed < now() - interval '31 days' limit 20 for update skip locked)`
)

// session reads the refresh token of a body.
func (p people) session(r *service.Request) (token.Claims, error) {
	var body struct{ RefreshToken string }
	if err := r.Decode(&body); err != nil {
		return token.Claims{}, err
	}
	c, err := p.keys.Verify(r.Context(), body.RefreshToken, token.Refresh)
	if err == nil && c.Tenant != p.tenant {
		err = scope.ErrForbidden
	}
	return c, err
}

// refresh exchanges a token for the next pair, as the platform does it: one that is ahead of what is known went on there.
func (p people) refresh(r *service.Request) (service.Response, error) {
	c, err := p.session(r)
	if err != nil {
		return service.Response{}, err
	}
	good := false
	err = p.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
		known, err := p.take(ctx, tx, c)
		if err != nil || known.ended || known.user != c.Subject {
			return err
		}
		var active bool
		err = tx.QueryRow(ctx, `select not "Deleted" from "Users" where "UserID"::text = $1`, c.Subject).Scan(&active)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		good = active && known.generation <= c.Generation
		if good {
			_, err = tx.Exec(ctx, nextSQL, c.Family, c.Generation+1)
		} else {
			_, err = tx.Exec(ctx, endSQL, c.Family)
		}
		return err
	})
	if err != nil {
		return service.Response{}, err
	}
	if !good {
		p.log.WarnContext(r.Context(), "a refresh token isn't good any more", "tenant", p.tenant, "user", c.Subject, "family", c.Family, "generation", c.Generation,
			"request", r.Header.Get(service.RequestID))
		return service.Response{}, token.ErrInvalid
	}
	return p.pair(r.Context(), c.Subject, c.Family, c.Generation+1)
}

func (p people) logout(r *service.Request) (service.Response, error) {
	c, err := p.session(r)
	if errors.Is(err, token.ErrExpired) {
		return service.NoContent(), nil // it ended by itself
	}
	if err != nil {
		return service.Response{}, err
	}
	return service.NoContent(), p.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
		known, err := p.take(ctx, tx, c)
		if err != nil || known.user != c.Subject {
			return err
		}
		_, err = tx.Exec(ctx, endSQL, c.Family)
		return err
	})
}

// known is what is known of a log-in.
type known struct {
	user       string
	generation int
	ended      bool
}

// take locks what is known of a token's log-in, and takes it over where nothing is.
func (p people) take(ctx context.Context, tx scope.Tx, c token.Claims) (found known, err error) {
	if _, err := tx.Exec(ctx, purgeSQL); err != nil {
		return found, err
	}
	if _, err := tx.Exec(ctx, adoptSQL, c.Family, c.Subject, c.Generation); err != nil {
		return found, err
	}
	err = tx.QueryRow(ctx, knownSQL, c.Family).Scan(&found.user, &found.generation, &found.ended)
	return found, err
}
