package registry

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

//go:embed sql/set_override.sql
var setOverrideSQL string

// Override is what was set by hand over what tenants.yaml declares; the operator respects it until it is lifted.
type Override struct {
	Tenant tenant.Name `json:"tenant"`
	Kind   string      `json:"kind"` // what it overrides: state, route, pause ...
	Value  string      `json:"value"`
	Actor  string      `json:"actor"`
	Reason string      `json:"reason,omitempty"`
	At     time.Time   `json:"at"`
}

// SetOverride sets or replaces the tenant's override of a kind. At is the server's to give.
func (r *Registry) SetOverride(ctx context.Context, o Override) error {
	_, err := r.pool.Exec(ctx, setOverrideSQL, string(o.Tenant), o.Kind, text(o.Value), o.Actor, text(o.Reason))
	if err != nil {
		return r.failed(err, "override %s of tenant %q", o.Kind, o.Tenant)
	}
	return nil
}

// ClearOverride lifts an override; tenant.ErrNotFound where there is none of the kind.
func (r *Registry) ClearOverride(ctx context.Context, name tenant.Name, kind, actor string) error {
	return r.queryRow(ctx, `
		with lifted as (
			delete from tenantctl.override where tenant = $1 and kind = $2 returning value
		), told as (
			insert into tenantctl.event (type, tenant, actor, message, data)
			select 'tenant.override_lifted', $1, $3, $2 || '=' || value || ' lifted', jsonb_build_object('kind', $2, 'value', value)
			from lifted
		)
		select $2 from lifted`, []any{string(name), kind, actor}, []any{&kind}, fmt.Sprintf("lift the %s override of tenant %q", kind, name))
}

// Overrides lists the overrides of one tenant, or, where the name is empty, of the fleet.
func (r *Registry) Overrides(ctx context.Context, name tenant.Name) ([]Override, error) {
	rows, err := r.pool.Query(ctx, `
		select tenant, kind, value, actor, reason, at from tenantctl.override
		where $1 = '' or tenant = $1 order by tenant, kind`, string(name))
	if err != nil {
		return nil, r.failed(err, "read overrides")
	}
	overrides, err := pgx.CollectRows(rows, pgx.RowToStructByName[Override])
	if err != nil {
		return nil, r.failed(err, "read overrides")
	}
	for i := range overrides {
		overrides[i].At = overrides[i].At.UTC()
	}
	return overrides, nil
}
