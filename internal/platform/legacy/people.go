package legacy

import (
	"context"
	"crypto/md5" //nolint:gosec // what the monolith hashes with
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

// people are the monolith's users and their log-ins.
type people struct {
	tenant tenant.Name
	store  *store
	keys   *token.Keyring
	log    *slog.Logger
}

// user is one as callers see them: of what the platform tells, when it was made and changed the monolith doesn't know.
type user struct {
	ID     string   `json:"id"`
	Login  string   `json:"login"`
	Name   *string  `json:"name"`
	Email  *string  `json:"email"`
	Active bool     `json:"active"`
	Roles  []string `json:"roles"`
}

type me struct {
	user
	Permissions []string `json:"permissions"`
}

const selectUser = `
	select "UserID"::text as id, "Login" as login, "FullName" as name, "Email" as email, not "Deleted" as active,
	       array[case "Role" when 'A' then 'admin' when 'U' then 'user' when 'R' then 'readonly' end] as roles
	from "Users" where `

// permissions are what a role may do, as the platform's roles of these names.
func permissions(roles []string) []string {
	switch roles[0] { // there is always one
	case "admin":
		return []string{"*"}
	case "user":
		return []string{"customers:*", "invoices:*", "orders:*", "products:*"}
	}
	return []string{"customers:read", "invoices:read", "orders:read", "products:read"}
}

// find is the user for whom a condition on $1 holds; the problem that there is none otherwise.
func (p people) find(ctx context.Context, condition, value string) (found user, err error) {
	err = p.store.Read(ctx, scope.Tenant{}, func(b *pgx.Batch) {
		b.Queue(selectUser+condition, value).Query(func(rows pgx.Rows) error {
			found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[user])
			return err
		})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return found, service.NotFound("user")
	}
	return found, err
}

const byID = `"UserID"::text = $1`

func (p people) getMe(r *service.Request) (service.Response, error) {
	found, err := p.find(r.Context(), byID, r.Identity.Subject)
	if err != nil {
		return service.Response{}, err
	}
	return service.JSON(http.StatusOK, me{found, permissions(found.Roles)}), nil
}

func (p people) getUser(r *service.Request) (service.Response, error) {
	found, err := p.find(r.Context(), byID, r.PathValue("id"))
	return service.JSON(http.StatusOK, found), err
}

func (p people) listUsers(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *string) (found []user, err error) {
		err = p.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(selectUser+`"Login" > coalesce($1, '') and ($2 = '' or "Deleted" = ($2 <> 'true'))
				and ($3 = '' or "Role" = case $3 when 'admin' then 'A' when 'user' then 'U' when 'readonly' then 'R' end)
				order by "Login" limit $4`, after, r.Query("active"), r.Query("role"), limit).Query(func(rows pgx.Rows) error {
				found, err = pgx.CollectRows(rows, pgx.RowToStructByName[user])
				return err
			})
		})
		return found, err
	}, func(last user) string { return last.Login })
}

// login compares as the monolith always did. Failures aren't counted: its schema has no place for that.
func (p people) login(r *service.Request) (service.Response, error) {
	var body struct{ Login, Password string }
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	var id, hash string
	err := p.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
		err := tx.QueryRow(ctx, `select "UserID"::text, "PasswordHash"::text from "Users" where "Login" = $1 and not "Deleted"`, body.Login).Scan(&id, &hash)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		sum := md5.Sum([]byte(body.Login + body.Password)) //nolint:gosec // see the import
		if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(hash)) != 1 {
			return service.Refuse(http.StatusUnauthorized, "login-failed", "login or password is wrong")
		}
		_, err = tx.Exec(ctx, `update "Users" set "LastLogin" = now() where "UserID"::text = $1`, id)
		return err
	})
	if err != nil {
		return service.Response{}, err
	}
	return p.pair(r.Context(), id, rand.Text(), 1)
}

// pair gives a user's next tokens. The refresh token's family needn't be known: whoever sees it first takes it over.
func (p people) pair(ctx context.Context, id, family string, generation int) (service.Response, error) {
	found, err := p.find(ctx, byID, id)
	if err != nil {
		return service.Response{}, err
	}
	access := auth.Access{ID: found.ID, Login: found.Login, Active: found.Active, Permissions: permissions(found.Roles)}
	return auth.Pair(p.keys, access, token.Claims{Tenant: p.tenant, Subject: found.ID, Family: family, Generation: generation})
}
