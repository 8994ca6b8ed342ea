package auth

import (
	"context"
	"errors"
	"net/http"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

type refreshBody struct {
	RefreshToken string `json:"refreshToken"`
}

// session reads the refresh token of a body, and the tenant that it names.
func (a *auth) session(r *service.Request) (token.Claims, scope.Tenant, error) {
	var body refreshBody
	if err := r.Decode(&body); err != nil {
		return token.Claims{}, scope.Tenant{}, err
	}
	c, err := a.keys.Verify(r.Context(), body.RefreshToken, token.Refresh)
	if err != nil {
		return c, scope.Tenant{}, err
	}
	if host := r.Identity.Tenant.Name; host != "" && host != c.Tenant {
		return c, scope.Tenant{}, scope.ErrForbidden
	}
	t, err := a.authorize.Active(c.Tenant)
	return c, t, err
}

func (a *auth) refresh(r *service.Request) (service.Response, error) {
	c, t, err := a.session(r)
	if err != nil {
		return service.Response{}, err
	}
	// Asked first: where users can't answer, the token stays good for another try.
	user, err := a.users.ByID(r.Context(), t.Name, c.Subject)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return service.Response{}, err
	}
	if err != nil || !user.Active {
		if err := a.end(r.Context(), t, c, byInactive); err != nil {
			return service.Response{}, err
		}
		return service.Response{}, token.ErrInvalid
	}
	var found outcome
	err = a.store.Tx(r.Context(), t, func(ctx context.Context, tx scope.Tx) (err error) {
		found, err = rotate(ctx, tx, c)
		return err
	})
	if err != nil {
		return service.Response{}, err
	}
	if found == reused {
		a.log.WarnContext(r.Context(), "a refresh token was used again; its log-in is ended", "tenant", t.Name, "user", c.Subject, "family", c.Family,
			"generation", c.Generation, "request", r.Header.Get(service.RequestID))
	}
	if found != rotated {
		return service.Response{}, token.ErrInvalid
	}
	return Pair(a.keys, user, token.Claims{Tenant: t.Name, Subject: user.ID, Family: c.Family, Generation: c.Generation + 1})
}

func (a *auth) logout(r *service.Request) (service.Response, error) {
	c, t, err := a.session(r)
	if errors.Is(err, token.ErrExpired) {
		return service.NoContent(), nil // it ended by itself
	}
	if err != nil {
		return service.Response{}, err
	}
	return service.NoContent(), a.end(r.Context(), t, c, byLogout)
}

func (a *auth) end(ctx context.Context, t scope.Tenant, c token.Claims, why reason) error {
	return a.store.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error { return endFamily(ctx, tx, c, why) })
}

type passwordChange struct {
	CurrentPassword string `json:"currentPassword"`
	NewPassword     string `json:"newPassword"`
}

func (a *auth) changePassword(r *service.Request) (service.Response, error) {
	var body passwordChange
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	t := r.Identity.Tenant
	user, err := a.users.ByID(r.Context(), t.Name, r.Identity.Subject)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && !user.Active {
		return service.Response{}, token.ErrInvalid
	}
	if err != nil {
		return service.Response{}, err
	}
	if err := acceptable(user, body.NewPassword); err != nil {
		return service.Response{}, err
	}
	tried := try{tenant: t, login: user.Login, address: a.addressOf(r.Request)}
	if err := a.chargeTry(r.Context(), &tried); err != nil {
		return service.Response{}, err
	}
	_, verdict, err := a.verify(r.Context(), t, user.ID, body.CurrentPassword)
	if err != nil {
		return service.Response{}, err
	}
	if !verdict.right {
		return service.Response{}, wrong()
	}
	family := token.Claims{Tenant: t.Name, Subject: user.ID, Login: user.Login}
	err = a.keep(r.Context(), t, user, body.NewPassword, func(ctx context.Context, tx scope.Tx) (err error) {
		if err := tried.attempt.refund(ctx, tx, tried.login, tried.address); err != nil {
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

type newPassword struct {
	Password string `json:"password"`
}

func (a *auth) setPassword(r *service.Request) (service.Response, error) {
	var body newPassword
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	user, err := a.subordinate(r)
	if err != nil {
		return service.Response{}, err
	}
	if err := acceptable(user, body.Password); err != nil {
		return service.Response{}, err
	}
	return service.NoContent(), a.keep(r.Context(), r.Identity.Tenant, user, body.Password, func(context.Context, scope.Tx) error { return nil })
}

// subordinate is the user of the path, who may do nothing that the caller may not: whoever sets a password can log in with it.
func (a *auth) subordinate(r *service.Request) (Access, error) {
	user, err := a.users.ByID(r.Context(), r.Identity.Tenant.Name, r.PathValue("id"))
	if errors.Is(err, tenant.ErrNotFound) {
		return user, service.NotFound("user")
	}
	if err != nil {
		return user, err
	}
	for _, permission := range user.Permissions {
		if !r.Identity.May(permission) {
			return user, service.Refuse(http.StatusForbidden, "forbidden", "this user has the permission %s, which you don't have", permission)
		}
	}
	return user, nil
}

// removePassword deletes what is kept of a user. Families stay until they expire, ended, so that no token of one is taken for an unknown one's;
// and without a credential none is taken over.
func (a *auth) removePassword(r *service.Request) (service.Response, error) {
	user, err := a.subordinate(r)
	if err != nil {
		return service.Response{}, err
	}
	return service.NoContent(), a.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
		if err := endAll(ctx, tx, user.ID, byInactive); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `delete from credentials where user_id = $1`, user.ID)
		return err
	})
}

// keep hashes a new password, ends the user's log-ins and does what else belongs to the same transaction.
func (a *auth) keep(ctx context.Context, t scope.Tenant, user Access, password string, also func(context.Context, scope.Tx) error) error {
	hash, err := a.hashes.make(ctx, t.Name, password)
	if err != nil {
		return err
	}
	return a.store.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into credentials (user_id, login, hash) values ($1, $2, $3)
			on conflict (user_id) do update set login = excluded.login, hash = excluded.hash, changed_at = now()`, user.ID, user.Login, hash)
		if err != nil {
			return err
		}
		if err := endAll(ctx, tx, user.ID, byPassword); err != nil {
			return err
		}
		return also(ctx, tx)
	})
}

// acceptable refuses the password that everybody tries first. How long it must be the description says.
func acceptable(user Access, password string) error {
	if password == user.Login {
		return service.Refuse(http.StatusUnprocessableEntity, "invalid", "the password must not be the login")
	}
	return nil
}
