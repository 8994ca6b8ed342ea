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

// Store runs reads and transactions of a tenant; scope.Pools does.
type Store interface {
	Read(ctx context.Context, t scope.Tenant, queue func(*pgx.Batch)) error
	Tx(ctx context.Context, t scope.Tenant, do func(context.Context, scope.Tx) error) error
}

// List answers with a page of the rows.
func (r *Resource) List(store Store) service.Handler {
	names, shape := slices.Sorted(maps.Keys(r.Filters)), r.shape()
	list, key := r.list()
	return func(request *service.Request) (service.Response, error) {
		var used []string
		args := []any{0}
		for _, name := range names {
			if value := request.Query(name); value != "" {
				args, used = append(args, value), append(used, name)
			}
		}
		return service.ListRows(request, func(limit int, after *string) (found []service.Row, err error) {
			args[0] = limit
			if after != nil {
				args = append(args, *after)
			}
			var buffer []byte
			err = store.Read(request.Context(), request.Identity.Tenant, func(b *pgx.Batch) {
				b.Queue(list(used, after != nil), args...).Query(func(rows pgx.Rows) error {
					found, err = pgx.CollectRows(rows, func(from pgx.CollectableRow) (one service.Row, err error) {
						values, err := texts(from)
						if err != nil {
							return one, err
						}
						begin := len(buffer)
						buffer = shape.append(buffer, values, nil)
						one.JSON, one.Key = buffer[begin:len(buffer):len(buffer)], string(values[key])
						if begin == 0 { // the others will be about as long
							buffer = slices.Grow(buffer, len(buffer)*limit)
						}
						return one, nil
					})
					return err
				})
			})
			return found, err
		})
	}
}

// Get answers with one row and its version, by the path's key.
func (r *Resource) Get(store Store) service.Handler {
	sql, shape := r.one(), r.shape()
	return func(request *service.Request) (answer service.Response, err error) {
		err = store.Read(request.Context(), request.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(sql, request.PathValue("key")).Query(func(rows pgx.Rows) error {
				answer, err = r.answer(http.StatusOK, rows, shape)
				return err
			})
		})
		return answer, err
	}
}

// answer makes an answer of the row that one() selected.
func (r *Resource) answer(status int, found pgx.Rows, shape shape) (service.Response, error) {
	answer, err := pgx.CollectOneRow(found, func(from pgx.CollectableRow) (service.Response, error) {
		values, err := texts(from)
		if err != nil {
			return service.Response{}, err
		}
		at := len(r.Columns)
		var further []byte
		if r.Extra != "" {
			further = values[at+1]
		}
		return service.Response{
			Status: status, Header: http.Header{"Etag": {`"` + string(values[at]) + `"`}}, Body: json.RawMessage(shape.append(nil, values, further)),
		}, nil
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return service.Response{}, service.NotFound(r.What)
	}
	return answer, err
}

// read answers with one row within a transaction.
func (r *Resource) read(ctx context.Context, status int, tx scope.Tx, key string) (service.Response, error) {
	rows, err := tx.Query(ctx, r.one(), key)
	if err != nil {
		return service.Response{}, err
	}
	return r.answer(status, rows, r.shape())
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
	answer, err := r.read(ctx, http.StatusCreated, tx, key)
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
	return r.read(ctx, http.StatusOK, tx, key)
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
	answer, err := r.read(ctx, http.StatusOK, tx, request.PathValue("key"))
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
