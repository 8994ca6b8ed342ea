package registry

import (
	"context"
	"encoding/json"
	"fmt"
)

// SaveReport keeps a report of an operation, such as the proof of a verification, as JSON; one of each kind, the newest.
func (r *Registry) SaveReport(ctx context.Context, operation, kind string, body any) error {
	attempted := fmt.Sprintf("save the %s report of operation %s", kind, operation)
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s: encode: %w", attempted, err)
	}
	return r.queryRow(ctx, `
		insert into tenantctl.report (operation, kind, body)
		select id, $2, $3::jsonb from tenantctl.operation where id = $1
		on conflict (operation, kind) do update set body = excluded.body, at = now()
		returning operation`, []any{operation, kind, string(encoded)}, []any{&operation}, attempted)
}

// Report is a report of an operation; tenant.ErrNotFound where there is none of that kind.
func (r *Registry) Report(ctx context.Context, operation, kind string) (json.RawMessage, error) {
	var body json.RawMessage
	err := r.queryRow(ctx, `select body from tenantctl.report where operation = $1 and kind = $2`, []any{operation, kind}, []any{&body},
		fmt.Sprintf("read the %s report of operation %s", kind, operation))
	return body, err
}
