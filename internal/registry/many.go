package registry

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Unfinished gives the kind of the newest operation that isn't finished of each tenant that has one.
func (r *Registry) Unfinished(ctx context.Context, names []tenant.Name) (map[tenant.Name]string, error) {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	found := map[tenant.Name]string{}
	var name tenant.Name
	var kind string
	err := postgres.Each(ctx, r.pool, `select tenant, kind from tenantctl.operation
		where tenant = any ($1) and state in ('running', 'failed', 'stopped') order by number`, []any{texts}, []any{&name, &kind}, func() error {
		found[name] = kind
		return nil
	})
	if err != nil {
		return nil, r.failed(err, "read unfinished operations")
	}
	return found, nil
}

// Enroll is UpsertTenant and AssignCell for many tenants of one instance in one transaction, and gives their cells. It expects them
// to be new, or as declared: where something stands in one's way it fails, and has recorded none.
func (r *Registry) Enroll(ctx context.Context, instance string, specs []tenant.Spec, capacity int, actor string) (map[tenant.Name]string, error) {
	batch := &pgx.Batch{}
	for _, spec := range specs {
		args, err := upsertArgs(spec, actor)
		if err != nil {
			return nil, err
		}
		batch.Queue(upsertTenantSQL, args...).QueryRow(func(row pgx.Row) error {
			var on, schema string
			changed := 0
			if err := row.Scan(&on, &schema, &changed); err != nil {
				return err
			}
			if changed == 0 && (on != spec.Instance || schema != spec.Schema) {
				return fmt.Errorf("tenant %q is recorded otherwise: %w", spec.Name, tenant.ErrConflict)
			}
			return nil
		})
	}
	cells := make(map[tenant.Name]string, len(specs))
	batch.Queue(lockCellsSQL, instance)
	for _, spec := range specs {
		batch.Queue(assignCellSQL, instance, string(spec.Name), capacity).QueryRow(func(row pgx.Row) error {
			var on, cell string
			if err := row.Scan(&on, &cell); err != nil {
				return err
			}
			if on != instance {
				return fmt.Errorf("tenant %q has a seat on instance %q: %w", spec.Name, on, tenant.ErrConflict)
			}
			cells[spec.Name] = cell
			return nil
		})
	}
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
	if err != nil {
		return nil, r.failed(err, "record %d tenants of instance %q", len(specs), instance)
	}
	return cells, nil
}

// SetVersionsOfMany records where tenants stand in the streams given, and tells of each, in the transaction of the caller.
func SetVersionsOfMany(ctx context.Context, db postgres.Querier, versions map[tenant.Name]map[string]tenant.Version, actor, reason string) error {
	encoded, err := jsonArg(versions)
	if err != nil || encoded == nil || len(versions) == 0 {
		return err
	}
	_, err = db.Exec(ctx, `
		with told as (
			select key as name, value as versions from jsonb_each($1::jsonb)
		), changed as (
			update tenantctl.tenant as t set versions = t.versions || told.versions, updated_at = now()
			from (select * from told order by name) as told
			where t.name = told.name and t.versions || told.versions is distinct from t.versions
			returning t.name, told.versions
		)
		insert into tenantctl.event (type, tenant, actor, message, data)
		select 'tenant.versions_changed', name, $2, 'versions ' || said || ': ' || $3, jsonb_build_object('to', versions)
		from changed, lateral (
			select string_agg(format('%s %s%s', service, v->>'number', case when (v->>'dirty')::boolean then ' (half done)' end), ', ' order by service collate "C") as said
			from jsonb_each(versions) as each (service, v)
		) as words order by name`, *encoded, actor, text(reason))
	if err != nil {
		return fmt.Errorf("record the versions of %d tenants: %w", len(versions), err)
	}
	return nil
}
