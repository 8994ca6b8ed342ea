package resource

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// row is one of a list, and where the next page begins if it is the last.
type row struct {
	json.RawMessage
	key string
}

// Store runs reads and transactions of a tenant; scope.Pools does.
type Store interface {
	Read(ctx context.Context, t scope.Tenant, queue func(*pgx.Batch)) error
	Tx(ctx context.Context, t scope.Tenant, do func(context.Context, scope.Tx) error) error
}

// List answers with a page of the rows.
func (r *Resource) List(store Store) service.Handler {
	names := slices.Sorted(maps.Keys(r.Filters))
	return func(request *service.Request) (service.Response, error) {
		args, used := []any{nil, 0}, []string{}
		for _, name := range names {
			if value := request.Query(name); value != "" {
				args, used = append(args, value), append(used, name)
			}
		}
		return service.List(request, func(limit int, after *string) (found []row, err error) {
			args[0], args[1] = after, limit
			err = store.Read(request.Context(), request.Identity.Tenant, func(b *pgx.Batch) {
				b.Queue(r.list(used), args...).Query(func(rows pgx.Rows) error {
					found, err = pgx.CollectRows(rows, func(from pgx.CollectableRow) (one row, err error) {
						err = from.Scan(&one.RawMessage, &one.key)
						return one, err
					})
					return err
				})
			})
			return found, err
		}, func(last row) string { return last.key })
	}
}

// Get answers with one row and its version, by the path's key.
func (r *Resource) Get(store Store) service.Handler {
	return func(request *service.Request) (answer service.Response, err error) {
		err = store.Read(request.Context(), request.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(r.one(), request.PathValue("key")).QueryRow(func(found pgx.Row) error {
				answer, err = r.scan(http.StatusOK, found)
				return err
			})
		})
		return answer, err
	}
}

// scan makes an answer of a row that one() selected.
func (r *Resource) scan(status int, found pgx.Row) (service.Response, error) {
	var body json.RawMessage
	var version string
	err := found.Scan(&body, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return service.Response{}, service.NotFound(r.What)
	}
	return service.Response{Status: status, Header: http.Header{"Etag": {`"` + version + `"`}}, Body: body}, err
}

// Create makes a row of the body.
func (r *Resource) Create(ctx context.Context, request *service.Request, tx scope.Tx) (service.Response, error) {
	body, err := r.body(request)
	if err != nil {
		return service.Response{}, err
	}
	var key string
	if err := tx.QueryRow(ctx, r.insert(r.given(body)), string(request.Body())).Scan(&key); err != nil {
		return service.Response{}, err
	}
	if err := r.after(ctx, tx, body, key); err != nil {
		return service.Response{}, err
	}
	answer, err := r.scan(http.StatusCreated, tx.QueryRow(ctx, r.one(), key))
	if err == nil {
		answer.Header.Set("Location", request.URL.Path+"/"+url.PathEscape(key))
	}
	return answer, err
}

// Change changes what the body has of a row.
func (r *Resource) Change(ctx context.Context, request *service.Request, tx scope.Tx) (service.Response, error) {
	body, err := r.body(request)
	if err != nil {
		return service.Response{}, err
	}
	key := request.PathValue("key")
	tag, err := tx.Exec(ctx, r.update(r.given(body)), string(request.Body()), key, versions(request))
	if err != nil {
		return service.Response{}, err
	}
	if tag.RowsAffected() == 0 {
		return service.Response{}, r.missed(ctx, request, tx)
	}
	if err := r.after(ctx, tx, body, key); err != nil {
		return service.Response{}, err
	}
	if renamed, is := body[r.KeyName]; is {
		if err := json.Unmarshal(renamed, &key); err != nil {
			return service.Response{}, err
		}
	}
	return r.scan(http.StatusOK, tx.QueryRow(ctx, r.one(), key))
}

// Remove deletes a row.
func (r *Resource) Remove(ctx context.Context, request *service.Request, tx scope.Tx) (service.Response, error) {
	tag, err := tx.Exec(ctx, r.remove(), nil, request.PathValue("key"), versions(request))
	if err == nil && tag.RowsAffected() == 0 {
		err = r.missed(ctx, request, tx)
	}
	return service.NoContent(), err
}

func (r *Resource) after(ctx context.Context, tx scope.Tx, body map[string]json.RawMessage, key string) error {
	if r.After == nil {
		return nil
	}
	return r.After(ctx, tx, body, key)
}

// missed tells why nothing matched.
func (r *Resource) missed(ctx context.Context, request *service.Request, tx scope.Tx) error {
	answer, err := r.scan(http.StatusOK, tx.QueryRow(ctx, r.one(), request.PathValue("key")))
	if err != nil {
		return err
	}
	seen, now := versions(request), strings.Trim(answer.Header.Get("Etag"), `"`)
	if seen != nil && !slices.Contains(seen, now) {
		return service.Refuse(http.StatusPreconditionFailed, "changed", "the %s has changed since it was read", r.What)
	}
	return service.Refuse(http.StatusConflict, "conflict", "%s", r.KeepWhy)
}

// versions are those that If-Match names; nil where any will do.
func versions(r *service.Request) []string {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return nil
	}
	list := []string{}
	for _, value := range strings.Split(strings.Join(values, ","), ",") {
		value = strings.TrimSpace(value)
		if value == "*" {
			return nil
		}
		list = append(list, strings.Trim(value, `"`))
	}
	return list
}

// body is the request's, by its members. What the table has no place for is refused, unless it says what is so anyway.
func (r *Resource) body(request *service.Request) (map[string]json.RawMessage, error) {
	body := map[string]json.RawMessage{}
	if err := request.Decode(&body); err != nil {
		return nil, err
	}
	var refused []service.Field
	for _, c := range r.Columns {
		if value, is := body[c.Name]; is && c.Only != nil && !slices.Contains(c.Only, string(value)) {
			refused = append(refused, service.Field{At: "/" + c.Name, Detail: "can't be kept here"})
		}
	}
	if len(refused) > 0 {
		p := service.Refuse(http.StatusUnprocessableEntity, "not-kept", "this application has no place for a part of the %s", r.What)
		p.Fields = refused
		return nil, p
	}
	return body, nil
}
