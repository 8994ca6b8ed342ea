package registry

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/upsert_tenant.sql
	upsertTenantSQL string
	//go:embed sql/set_tenant.sql
	setTenantSQL string
	//go:embed sql/delete_tenant.sql
	deleteTenantSQL string
)

// UpsertTenant records what is declared of a tenant. A new tenant gets the declared state and its first route: legacy where a
// legacy database is declared, else platform. A known one keeps its state and route, and must stay on its instance and in its
// schema: anything else is tenant.ErrConflict.
func (r *Registry) UpsertTenant(ctx context.Context, spec tenant.Spec, actor string) error {
	args, err := upsertArgs(spec, actor)
	if err != nil {
		return err
	}
	var instance, schema string
	changed := 0
	// Another process may record the same tenant at this moment: then it is found at the second try.
	for try := 0; try < 2 && changed == 0 && instance == ""; try++ {
		err = r.pool.QueryRow(ctx, upsertTenantSQL, args...).Scan(&instance, &schema, &changed)
		if postgres.Code(err) == uniqueViolation {
			return fmt.Errorf("record tenant %q: schema %q of instance %q is another tenant's: %w", spec.Name, spec.Schema, spec.Instance, tenant.ErrConflict)
		}
		if err != nil {
			return r.failed(err, "record tenant %q", spec.Name)
		}
	}
	if instance != "" && (instance != spec.Instance || schema != spec.Schema) {
		return tenant.WithHint(fmt.Errorf("record tenant %q on instance %q, schema %q: it lives on instance %q, schema %q: %w",
			spec.Name, spec.Instance, spec.Schema, instance, schema, tenant.ErrConflict),
			"a tenant can't be moved by its declaration: put back `instance` and `schema` in tenants.yaml")
	}
	return nil
}

func upsertArgs(spec tenant.Spec, actor string) ([]any, error) {
	limits, err := json.Marshal(spec.Limits)
	if err != nil {
		return nil, fmt.Errorf("limits of tenant %q: %w", spec.Name, err)
	}
	state := spec.State
	if state == "" {
		state = tenant.Active
	}
	services := spec.Services
	if services == nil {
		services = []string{}
	}
	return []any{string(spec.Name), spec.Instance, spec.Schema, spec.Ring, string(state), services, string(limits), spec.Upstream, spec.Legacy, actor}, nil
}

const uniqueViolation = "23505"

// SetState records what a tenant now is.
func (r *Registry) SetState(ctx context.Context, name tenant.Name, state tenant.State, actor, reason string) error {
	message := "state " + string(state)
	if reason != "" {
		message += ": " + reason
	}
	return r.setTenant(ctx, name, "state", "$2", string(state), actor, text(message))
}

// SetVersions records where a tenant stands in the streams given; the others keep what they have. Events about it are recorded in
// the same transaction, after its own.
func (r *Registry) SetVersions(ctx context.Context, name tenant.Name, versions map[string]tenant.Version, actor string, events ...tenant.Event) error {
	value, err := json.Marshal(versions)
	if err != nil {
		return fmt.Errorf("versions of tenant %q: %w", name, err)
	}
	return r.setTenant(ctx, name, "versions", "old.was || coalesce(nullif($2::jsonb, 'null'), '{}')", string(value), actor, "versions "+tenant.VersionsText(versions), events...)
}

// SetLimits records what a tenant may use.
func (r *Registry) SetLimits(ctx context.Context, name tenant.Name, limits tenant.Limits, actor string) error {
	value, err := json.Marshal(limits)
	if err != nil {
		return fmt.Errorf("limits of tenant %q: %w", name, err)
	}
	return r.setTenant(ctx, name, "limits", "$2::jsonb", string(value), actor, "limits "+string(value))
}

// SetSearchPath records the schemas in which a lifted tenant's names are looked up, in their order.
func (r *Registry) SetSearchPath(ctx context.Context, name tenant.Name, path []string, actor string) error {
	if path == nil {
		path = []string{}
	}
	return r.setTenant(ctx, name, "search_path", "$2", path, actor, "search path "+strings.Join(path, ", "))
}

// setTenant sets one column and tells of it if that changed something, and then of events. Column and value are SQL. All goes out as
// one message, which is one transaction.
func (r *Registry) setTenant(ctx context.Context, name tenant.Name, column, value string, arg any, actor, message string, events ...tenant.Event) error {
	sql := strings.NewReplacer("{column}", column, "{value}", value).Replace(setTenantSQL)
	attempted := fmt.Sprintf("set %s of tenant %q", column, name)
	var found string
	if len(events) == 0 {
		return r.queryRow(ctx, sql, []any{string(name), arg, actor, message}, []any{&found}, attempted)
	}
	batch := &pgx.Batch{}
	batch.Queue(sql, string(name), arg, actor, message).QueryRow(func(row pgx.Row) error { return row.Scan(&found) })
	for _, event := range events {
		args, err := eventArgs(event)
		if err != nil {
			return err
		}
		batch.Queue(tellSQL+` select $1, $2, $3, $4, $5::jsonb where exists (select from tenantctl.tenant where name = $6)`, append(args, string(name))...)
	}
	return r.answer(r.pool.SendBatch(ctx, batch).Close(), attempted)
}

// DeleteTenant forgets a tenant, its seat, route and overrides, and ends what operations it left, but for those of kind
// "delete". The event keeps what was known of it. A tenant that isn't there is none to forget: no error.
func (r *Registry) DeleteTenant(ctx context.Context, name tenant.Name, actor, reason string) error {
	if _, err := r.pool.Exec(ctx, deleteTenantSQL, string(name), actor, text(reason)); err != nil {
		return r.failed(err, "delete the records of tenant %q", name)
	}
	return nil
}
