package users

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/postgres"
)

// Role is permissions under a name.
type Role struct {
	Name        string   `json:"name"`
	Description *string  `json:"description"`
	Builtin     bool     `json:"builtin"`
	Permissions []string `json:"permissions"`
}

const selectRole = `
	select r.name, r.description, r.builtin, array(select p.permission from role_permissions p where p.role = r.name order by 1) as permissions
	from roles r`

func (u *users) listRoles(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *string) (found []Role, err error) {
		err = u.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(selectRole+` where r.name > coalesce($1, '') order by r.name limit $2`, after, limit).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Role])
				return err
			})
		})
		return found, err
	}, func(last Role) string { return last.Name })
}

func (u *users) getRole(r *service.Request) (service.Response, error) {
	var role Role
	err := u.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) (err error) {
		role, err = readRole(ctx, tx, r.PathValue("name"))
		return err
	})
	return service.JSON(http.StatusOK, role), err
}

func readRole(ctx context.Context, tx scope.Tx, name string) (Role, error) {
	rows, err := tx.Query(ctx, selectRole+` where r.name = $1`, name)
	if err != nil {
		return Role{}, err
	}
	role, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Role])
	return role, orNotFound(err, "role")
}

// roleBody is the body of createRole and, without the name, of updateRole.
type roleBody struct {
	Name        string   `json:"name"`
	Description *string  `json:"description"`
	Permissions []string `json:"permissions"`
}

func (u *users) createRole(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body roleBody
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	if err := covers(r.Identity, body.Permissions); err != nil {
		return service.Response{}, err
	}
	if _, err := tx.Exec(ctx, `insert into roles (name, description) values ($1, $2)`, body.Name, body.Description); err != nil {
		return service.Response{}, taken(err, "name")
	}
	if err := setPermissions(ctx, tx, body.Name, body.Permissions); err != nil {
		return service.Response{}, err
	}
	made, err := readRole(ctx, tx, body.Name)
	return service.Created("/v1/roles/"+body.Name, made), err
}

func (u *users) updateRole(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body roleBody
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	if err := covers(r.Identity, body.Permissions); err != nil {
		return service.Response{}, err
	}
	name := r.PathValue("name")
	if err := lockOwnRole(ctx, tx, r.Identity, name); err != nil {
		return service.Response{}, err
	}
	if _, err := tx.Exec(ctx, `update roles set description = $2 where name = $1`, name, body.Description); err != nil {
		return service.Response{}, err
	}
	if err := setPermissions(ctx, tx, name, body.Permissions); err != nil {
		return service.Response{}, err
	}
	changed, err := readRole(ctx, tx, name)
	return service.JSON(http.StatusOK, changed), err
}

func (u *users) deleteRole(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	if err := lockOwnRole(ctx, tx, r.Identity, r.PathValue("name")); err != nil {
		return service.Response{}, err
	}
	_, err := tx.Exec(ctx, `delete from roles where name = $1`, r.PathValue("name"))
	if postgres.Code(err) == "23503" {
		return service.Response{}, service.Refuse(http.StatusConflict, "in-use", "users have this role")
	}
	return service.NoContent(), err
}

// lockOwnRole keeps others from changing a role, and refuses those that came with the platform or allow what the caller may not do.
func lockOwnRole(ctx context.Context, tx scope.Tx, caller scope.Identity, name string) error {
	var builtin bool
	if err := tx.QueryRow(ctx, `select builtin from roles where name = $1 for update`, name).Scan(&builtin); err != nil {
		return orNotFound(err, "role")
	}
	if builtin {
		return service.Refuse(http.StatusConflict, "builtin", "this role came with the platform; make one of your own")
	}
	return mayGive(ctx, tx, caller, []string{name})
}

func setPermissions(ctx context.Context, tx scope.Tx, role string, permissions []string) error {
	if _, err := tx.Exec(ctx, `delete from role_permissions where role = $1`, role); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `insert into role_permissions (role, permission) select $1, unnest($2::text[])`, role, permissions)
	if err != nil {
		return err
	}
	if tokenSize(permissions) > maxPermissions {
		return tooMany()
	}
	return fitsToken(ctx, tx, `user_id in (select of.user_id from user_roles of where of.role = $1)`, role)
}
