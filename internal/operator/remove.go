package operator

import (
	"context"
	"fmt"
	"time"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

// remove archives a tenant, or removes it for good: only where tenants.yaml says `state: deleted` and confirms it by the name, and
// only when the retention is over, counted from when the operator first saw that. Until then the tenant is out of service.
func (o *Operator) remove(ctx context.Context, v *view, t reconcile.Tenant) (string, error) {
	if t.Desired() != tenant.Deleted {
		return "", o.bring(ctx, v, t)
	}
	deletion, confirmed := v.file.Deletion(t.Name)
	if !confirmed {
		return "", tenant.WithHint(fmt.Errorf("%s is declared deleted without a confirmation: %w", t.Name, tenant.ErrRefused),
			fmt.Sprintf("confirm it under tenants.%[1]s.deletion, or `tenantctl delete %[1]s`", t.Name))
	}
	since := v.now
	if r, known := v.records[key{t.Name, TaskRemove}]; known && r.Declared == v.declared(t, TaskRemove) {
		since = r.Since
	}
	err := o.underLease(ctx, t.Name, func(ctx context.Context, fence provision.Fence) error {
		home, err := v.home(ctx, t.Spec.Instance)
		if err != nil {
			return err
		}
		if t.Status.State == tenant.Active {
			shut := t
			shut.Spec.State, shut.Status = tenant.Suspended, t.Status
			if err := o.bringHome(ctx, home, shut, fence); err != nil {
				return err
			}
		}
		if left := deletion.Retention - v.now.Sub(since); left > 0 {
			return errWait{fmt.Sprintf("out of service; removed for good at %s", v.now.Add(left).UTC().Format(time.RFC3339)), left}
		}
		_, err = home.Delete(ctx, t.Spec, provision.KeepArchive, "declared deleted, confirmed, and its retention is over")
		return err
	})
	if err != nil {
		return "", err
	}
	return "removed", nil
}
