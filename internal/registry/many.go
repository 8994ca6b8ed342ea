package registry

import (
	"context"
	"fmt"

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
