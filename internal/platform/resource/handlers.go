package core

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

	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// row is one of a list, and where the next page begins if it is the last.
type row struct {
	json.RawMessage
	key string
}

func (s *server) list(of *resource) service.Handler {
	names := slices.Sorted(maps.Keys(of.filters))
	return func(r *service.Request) (service.Response, error) {
		limit, err := service.PageSize(r)
		if err != nil {
			return service.Response{}, err
		}
		var after string
		given, err := service.Cursor(r, &after)
		if err != nil {
			return service.Response{}, err
		}
		args, used := []any{nil, limit + 1}, []string{}
		if given {
			args[0] = after
		}
		for _, name := range names {
			if value := r.Query(name); value != "" {
				args, used = append(args, value), append(used, name)
			}
		}
		var found []row
		err = s.pools.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(of.list(used), args...).Query(func(rows pgx.Rows) error {
				found, err = pgx.CollectRows(rows, func(from pgx.CollectableRow) (one row, err error) {
					err = from.Scan(&one.RawMessage, &one.key)
					return one, err
				})
				return err
			})
		})
		if err != nil {
			return service.Response{}, err
		}
		page, err := service.Paged(found, limit, func(last row) any { return last.key })
		return service.JSON(http.StatusOK, page), err
	}
}

func (s *server) get(of *resource) service.Handler {
	return func(r *service.Request) (answer service.Response, err error) {
		err = s.pools.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(of.one(), r.PathValue("key")).QueryRow(func(found pgx.Row) error {
				answer, err = of.scan(http.StatusOK, found)
				return err
			})
		})
		return answer, err
	}
}

// scan makes an answer of a row that one() selected.
func (r *resource) scan(status int, found pgx.Row) (service.Response, error) {
	var body json.RawMessage
	var version string
	err := found.Scan(&body, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return service.Response{}, service.NotFound(r.what)
	}
	return service.Response{Status: status, Header: http.Header{"Etag": {`"` + version + `"`}}, Body: body}, err
}

func (s *server) create(of *resource) idempotency.Do {
	return func(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
		body, err := members(r)
		if err != nil {
			return service.Response{}, err
		}
		var key string
		if err := tx.QueryRow(ctx, of.insert(of.given(body)), string(r.Body())).Scan(&key); err != nil {
			return service.Response{}, err
		}
		if err := setItems(ctx, tx, of, body, key); err != nil {
			return service.Response{}, err
		}
		answer, err := of.scan(http.StatusCreated, tx.QueryRow(ctx, of.one(), key))
		if err == nil {
			answer.Header.Set("Location", r.URL.Path+"/"+url.PathEscape(key))
		}
		return answer, err
	}
}

func (s *server) change(of *resource) idempotency.Do {
	return func(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
		body, err := members(r)
		if err != nil {
			return service.Response{}, err
		}
		key := r.PathValue("key")
		tag, err := tx.Exec(ctx, of.update(of.given(body)), string(r.Body()), key, versions(r))
		if err != nil {
			return service.Response{}, err
		}
		if tag.RowsAffected() == 0 {
			return service.Response{}, of.missed(ctx, r, tx)
		}
		if err := setItems(ctx, tx, of, body, key); err != nil {
			return service.Response{}, err
		}
		if code, is := body[of.key]; is {
			if err := json.Unmarshal(code, &key); err != nil {
				return service.Response{}, err
			}
		}
		return of.scan(http.StatusOK, tx.QueryRow(ctx, of.one(), key))
	}
}

func (s *server) remove(of *resource) idempotency.Do {
	return func(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
		tag, err := tx.Exec(ctx, of.remove(), nil, r.PathValue("key"), versions(r))
		if err == nil && tag.RowsAffected() == 0 {
			err = of.missed(ctx, r, tx)
		}
		return service.NoContent(), err
	}
}

// missed tells why nothing matched.
func (r *resource) missed(ctx context.Context, request *service.Request, tx scope.Tx) error {
	answer, err := r.scan(http.StatusOK, tx.QueryRow(ctx, r.one(), request.PathValue("key")))
	if err != nil {
		return err
	}
	seen, now := versions(request), strings.Trim(answer.Header.Get("Etag"), `"`)
	if seen != nil && !slices.Contains(seen, now) {
		return service.Refuse(http.StatusPreconditionFailed, "changed", "the %s has changed since it was read", r.what)
	}
	return service.Refuse(http.StatusConflict, "conflict", "%s", r.keepWhy)
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

// members are the body's.
func members(r *service.Request) (map[string]json.RawMessage, error) {
	body := map[string]json.RawMessage{}
	return body, r.Decode(&body)
}
