package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

type loginBody struct {
	Login    string `json:"login"`
	Password string `json:"password"`
}

// wrong is the answer whatever was wrong.
func wrong() error {
	return service.Refuse(http.StatusUnauthorized, "login-failed", "login or password is wrong")
}

func (a *auth) login(r *service.Request) (service.Response, error) {
	t := r.Identity.Tenant
	if t.Name == "" {
		return service.Response{}, service.Refuse(http.StatusBadRequest, "tenant-unknown", "the host says which tenant to log in to: TENANT.domain")
	}
	var body loginBody
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	if strings.ContainsRune(body.Login, 0) {
		return service.Response{}, wrong() // the database holds no such text
	}
	tried := try{tenant: t, login: body.Login, address: a.addressOf(r.Request)}
	if err := a.chargeTry(r.Context(), &tried); err != nil {
		return service.Response{}, err
	}
	user, err := a.users.ByLogin(r.Context(), t.Name, body.Login)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return service.Response{}, err
	}
	kept, verdict, err := a.verify(r.Context(), t, user.ID, body.Password)
	if err != nil {
		return service.Response{}, err
	}
	if !verdict.right || !user.Active {
		return service.Response{}, wrong()
	}
	family := token.Claims{Tenant: t.Name, Subject: user.ID, Login: user.Login}
	err = a.store.Tx(r.Context(), t, func(ctx context.Context, tx scope.Tx) error {
		if err := tried.attempt.refund(ctx, tx, tried.login, tried.address); err != nil {
			return err
		}
		if err := noteLogin(ctx, tx, user, kept, verdict.fresh); err != nil {
			return err
		}
		family, err = begin(ctx, tx, family)
		return err
	})
	if err != nil {
		return service.Response{}, err
	}
	return Pair(a.keys, user, family)
}

// try is an attempt to prove who one is, with where it came from.
type try struct {
	tenant  scope.Tenant
	login   string
	address netip.Addr
	attempt attempt
}

func (a *auth) chargeTry(ctx context.Context, t *try) error {
	return a.store.Tx(ctx, t.tenant, func(ctx context.Context, tx scope.Tx) (err error) {
		t.attempt, err = charge(ctx, tx, t.login, t.address)
		return err
	})
}

// credential is what is kept of a user.
type credential struct{ login, hash string }

// verify compares a password with what is kept of a user. For nobody it does the same work and finds it wrong.
func (a *auth) verify(ctx context.Context, t scope.Tenant, user, password string) (credential, verdict, error) {
	var kept credential
	err := a.store.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error {
		err := tx.QueryRow(ctx, `select login, hash from credentials where user_id = $1`, user).Scan(&kept.login, &kept.hash)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return kept, verdict{}, err
	}
	found, err := a.hashes.check(ctx, t.Name, kept.login, password, kept.hash)
	return kept, found, err
}

// noteLogin keeps the better hash, unless the password was changed meanwhile.
func noteLogin(ctx context.Context, tx scope.Tx, user Access, kept credential, fresh string) error {
	if _, err := tx.Exec(ctx, `update credentials set last_login_at = now() where user_id = $1`, user.ID); err != nil {
		return err
	}
	if fresh == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `update credentials set hash = $3, login = $4 where user_id = $1 and hash = $2`, user.ID, kept.hash, fresh, user.Login)
	return err
}
