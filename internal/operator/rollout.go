package operator

import (
	"context"

	"tenantctl/internal/tenant"
)

// rollout brings the fleet's versions forward. Homes are opened anew afterwards: new tenants get the new versions.
func (o *Operator) rollout(ctx context.Context, v *view) error {
	err := v.Rollout(ctx, func(name tenant.Name) bool { return v.paused[name] }, o.drain)
	v.renew()
	return err
}
