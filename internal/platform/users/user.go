package users

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/postgres"
)

// User is one of a tenant's users.
type User struct {
	ID        string    `json:"id"`
	Login     string    `json:"login"`
	Name      *string   `json:"name"`
	Email     *string   `json:"email"`
	Active    bool      `json:"active"`
	Roles     []string  `json:"roles"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// Me is the caller.
type Me struct {
	User
	Permissions []string `json:"permissions"`
}

const selectUser = `
	select u.id, u.login, u.name, u.email, u.active, u.created_at, u.updated_at,
	       array(select r.role from user_roles r where r.user_id = u.id order by 1) as roles
	from users u`

func (u *users) getMe(r *service.Request) (service.Response, error) {
	var me Me
	err := u.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		queueUser(b, r.Identity.Subject, &me.User)
		b.Queue(`select `+permissionsOf, r.Identity.Subject).QueryRow(func(row pgx.Row) error { return row.Scan(&me.Permissions) })
	})
	if err != nil {
		return service.Response{}, orNotFound(err, "user")
	}
	return service.JSON(http.StatusOK, me), nil
}

func queueUser(b *pgx.Batch, id string, into *User) {
	b.Queue(selectUser+` where u.id = $1`, id).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[User])
		return err
	})
}

func (u *users) getUser(r *service.Request) (service.Response, error) {
	var user User
	err := u.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) { queueUser(b, r.PathValue("id"), &user) })
	if err != nil {
		return service.Response{}, orNotFound(err, "user")
	}
	return service.JSON(http.StatusOK, user), nil
}

// findUnknown tells which ids are nobody's who may log in.
func (u *users) findUnknown(r *service.Request) (service.Response, error) {
	unknown := []string{}
	err := u.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		b.Queue(`select distinct given from unnest($1::text[]) given where not exists (select from users u where u.id = given and u.active) order by 1`,
			r.URL.Query()["id"]).Query(func(rows pgx.Rows) (err error) {
			unknown, err = pgx.AppendRows(unknown, rows, pgx.RowTo[string])
			return err
		})
	})
	return service.JSON(http.StatusOK, map[string][]string{"unknown": unknown}), err
}

func (u *users) listUsers(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *string) (found []User, err error) {
		err = u.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(selectUser+`
				where u.login > coalesce($1, '') and ($2 = '' or u.active = ($2 = 'true'))
				  and ($3 = '' or exists (select from user_roles r where r.user_id = u.id and r.role = $3))
				order by u.login limit $4`, after, r.Query("active"), r.Query("role"), limit).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, pgx.RowToStructByName[User])
				return err
			})
		})
		return found, err
	}, func(last User) string { return last.Login })
}

// newUser is the body of createUser; userChange that of updateUser, where what isn't given stays.
type (
	newUser struct {
		Login  string   `json:"login"`
		Name   *string  `json:"name"`
		Email  *string  `json:"email"`
		Active *bool    `json:"active"`
		Roles  []string `json:"roles"`
	}
	userChange struct {
		Login  *string        `json:"login"`
		Name   given[*string] `json:"name"`
		Email  given[*string] `json:"email"`
		Active *bool          `json:"active"`
		Roles  *[]string      `json:"roles"`
	}
)

func (u *users) createUser(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body newUser
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	if err := mayGive(ctx, tx, r.Identity, body.Roles); err != nil {
		return service.Response{}, err
	}
	var id string
	err := tx.QueryRow(ctx, `insert into users (login, name, email, active) values ($1, $2, $3, coalesce($4, true)) returning id`,
		body.Login, body.Name, body.Email, body.Active).Scan(&id)
	if err != nil {
		return service.Response{}, taken(err, "login")
	}
	if err := setRoles(ctx, tx, id, body.Roles); err != nil {
		return service.Response{}, err
	}
	made, err := readUser(ctx, tx, id)
	return service.Created("/v1/users/"+url.PathEscape(id), made), err
}

func (u *users) updateUser(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body userChange
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	id := r.PathValue("id")
	if id == r.Identity.Subject && (body.Roles != nil || body.Active != nil && !*body.Active) {
		return service.Response{}, service.Refuse(http.StatusConflict, "own-rights", "somebody else has to change your roles or make you inactive, so that one who may is always left")
	}
	if err := mayChange(ctx, tx, r.Identity, id); err != nil {
		return service.Response{}, err
	}
	_, err := tx.Exec(ctx, `
		update users set login = coalesce($2, login), name = case when $3 then $4 else name end, email = case when $5 then $6 else email end,
		       active = coalesce($7, active), updated_at = now()
		where id = $1`, id, body.Login, body.Name.is, body.Name.value, body.Email.is, body.Email.value, body.Active)
	if err != nil {
		return service.Response{}, taken(err, "login")
	}
	if body.Roles != nil {
		if err := mayGive(ctx, tx, r.Identity, *body.Roles); err != nil {
			return service.Response{}, err
		}
		if err := setRoles(ctx, tx, id, *body.Roles); err != nil {
			return service.Response{}, err
		}
	}
	changed, err := readUser(ctx, tx, id)
	return service.JSON(http.StatusOK, changed), err
}

func (u *users) deleteUser(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	id := r.PathValue("id")
	if id == r.Identity.Subject {
		return service.Response{}, service.Refuse(http.StatusConflict, "own-rights", "somebody else has to remove you, so that one who may is always left")
	}
	if err := mayChange(ctx, tx, r.Identity, id); err != nil {
		return service.Response{}, err
	}
	// First the password: a user without one can be removed again, but nobody would find the password of a user who is gone.
	if u.passwords != nil {
		if err := u.passwords.Remove(ctx, r.Request, id); err != nil {
			return service.Response{}, err
		}
	}
	_, err := tx.Exec(ctx, `delete from users where id = $1`, id)
	return service.NoContent(), err
}

func readUser(ctx context.Context, tx scope.Tx, id string) (User, error) {
	rows, err := tx.Query(ctx, selectUser+` where u.id = $1`, id)
	if err != nil {
		return User{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[User])
}

// setRoles gives a user exactly these roles.
func setRoles(ctx context.Context, tx scope.Tx, id string, roles []string) error {
	_, err := tx.Exec(ctx, `delete from user_roles where user_id = $1 and role <> all($2::text[])`, id, emptyNotNull(roles))
	if err != nil {
		return fmt.Errorf("take roles: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into user_roles (user_id, role) select $1, unnest($2::text[]) on conflict do nothing`, id, roles)
	if postgres.Code(err) == "23503" {
		return service.Refuse(http.StatusUnprocessableEntity, "invalid", "no such role among those given")
	}
	if err != nil {
		return err
	}
	return fitsToken(ctx, tx, `user_id = $1`, id)
}

// emptyNotNull keeps a nil slice from becoming a null, with which nothing compares.
func emptyNotNull(list []string) []string { return append([]string{}, list...) }

// taken tells of a name that somebody has.
func taken(err error, what string) error {
	if postgres.Code(err) == "23505" {
		return service.Refuse(http.StatusConflict, "taken", "this %s is taken", what)
	}
	return err
}

func orNotFound(err error, what string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return service.NotFound(what)
	}
	return err
}
