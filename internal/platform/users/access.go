package users

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// Access is what other services may know of a user.
type Access struct {
	ID          string   `json:"id"`
	Login       string   `json:"login"`
	Active      bool     `json:"active"`
	Permissions []string `json:"permissions"`
}

// permissionsOf is an expression: what the user $1 may do by all roles together.
const permissionsOf = `array(
	select distinct p.permission from user_roles r join role_permissions p on p.role = r.role where r.user_id = $1 order by 1) as permissions`

func (u *users) getAccess(r *service.Request) (service.Response, error) {
	return u.access(r, `select u.id, u.login, u.active, `+permissionsOf+` from users u where u.id = $1`, r.PathValue("id"))
}

func (u *users) findAccess(r *service.Request) (service.Response, error) {
	return u.access(r, `select u.id, u.login, u.active, array(
		select distinct p.permission from user_roles r join role_permissions p on p.role = r.role where r.user_id = u.id order by 1) as permissions
		from users u where u.login = $1`, r.Query("login"))
}

func (u *users) access(r *service.Request, sql, who string) (service.Response, error) {
	var found Access
	err := u.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		b.Queue(sql, who).Query(func(rows pgx.Rows) (err error) {
			found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Access])
			return err
		})
	})
	if err != nil {
		return service.Response{}, orNotFound(err, "user")
	}
	return service.JSON(http.StatusOK, found), nil
}

// mayChange locks a user and refuses a caller who may not do all that this user may: to change such a one's login or roles would be
// a way to become them.
func mayChange(ctx context.Context, tx scope.Tx, caller scope.Identity, id string) error {
	var permissions []string
	err := tx.QueryRow(ctx, `select `+permissionsOf+` from users u where u.id = $1 for update`, id).Scan(&permissions)
	if err != nil {
		return orNotFound(err, "user")
	}
	return covers(caller, permissions)
}

// mayGive refuses roles that allow what the caller may not do.
func mayGive(ctx context.Context, tx scope.Tx, caller scope.Identity, roles []string) error {
	var permissions []string
	err := tx.QueryRow(ctx, `select coalesce(array_agg(permission), '{}') from role_permissions where role = any($1::text[])`, emptyNotNull(roles)).Scan(&permissions)
	if err != nil {
		return err
	}
	return covers(caller, permissions)
}

// maxPermissions bounds what permissions take in a token, which holds all that its user may do: proxies let headers of some kilobytes through.
const maxPermissions = 3000

func tokenSize(permissions []string) (size int) {
	for _, permission := range permissions {
		size += len(permission) + len(`"",`)
	}
	return size
}

// fitsToken refuses a change after which one of the users for whom a condition on $1 holds may do more than a token can tell.
func fitsToken(ctx context.Context, tx scope.Tx, condition, value string) error {
	var largest int
	err := tx.QueryRow(ctx, `
		select coalesce(max(size), 0) from (
			select sum(length(permission) + 3) as size
			from (select distinct r.user_id, p.permission from user_roles r join role_permissions p on p.role = r.role where r.`+condition+`) as may
			group by user_id) as users`, value).Scan(&largest)
	if err == nil && largest > maxPermissions {
		return tooMany()
	}
	return err
}

func tooMany() error {
	return service.Refuse(http.StatusUnprocessableEntity, "too-many-permissions",
		"the permissions of a user may have %d characters together, since each token holds them; give kinds instead (orders:*)", maxPermissions)
}

func covers(caller scope.Identity, permissions []string) error {
	for _, permission := range permissions {
		if !caller.May(permission) {
			return service.Refuse(http.StatusForbidden, "forbidden", "this concerns the permission %s, which you don't have", permission)
		}
	}
	return nil
}
