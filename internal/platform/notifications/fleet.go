package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// ofFleet are the facts that operators tell of a tenant and of which its users hear who want to.
var ofFleet = []string{"tenant.moved", "tenant.versions_changed"} //nolint:gochecknoglobals // a constant list

// queueOfFleet keeps facts while the service is down.
const queueOfFleet = Service + ".fleet"

// hearFleet tells a tenant's users of a fact. Who isn't served by the platform hears of none.
func (n *Notifications) hearFleet(ctx context.Context, f bus.Fact) error {
	var event struct { // a CloudEvent
		Subject tenant.Name `json:"subject"`
		Data    struct {
			Detail struct {
				To map[string]tenant.Version `json:"to"` // where its schema is upgraded
			} `json:"detail"`
		} `json:"data"`
	}
	if err := json.Unmarshal(f.Body, &event); err != nil {
		return bus.Permanent(fmt.Errorf("fact %s: %w", f.ID, err))
	}
	t, err := n.opts.Authorize.Tenants.Tenant(event.Subject)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && (t.State != tenant.Active || !t.Has(Service)) {
		return nil
	}
	if err != nil {
		return err
	}
	var versions []string
	for _, service := range slices.Sorted(maps.Keys(event.Data.Detail.To)) {
		versions = append(versions, fmt.Sprintf("%s %d", service, event.Data.Detail.To[service].Number))
	}
	payload, err := json.Marshal(map[string]string{"versions": strings.Join(versions, ", ")})
	if err != nil {
		return fmt.Errorf("fact %s: %w", f.ID, err)
	}
	m := f.Message(t.Name, payload)
	return n.store.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error {
		first, err := bus.Once(ctx, tx, queueOfFleet, m.ID)
		if err != nil || !first {
			return err
		}
		return n.tell(ctx, tx, m)
	})
}
