package events

import (
	"encoding/json"
	"time"

	"tenantctl/internal/tenant"
)

// Kind is a type of event.
type Kind struct {
	Type   string
	When   string
	Fleet  bool // it is about no tenant, and has no subject
	Detail any  // a value of the detail's type; nil: it has none
}

// The details. What a pointer holds, or is omitted when empty, isn't always there.
type (
	declared struct {
		Ring     string        `json:"ring"`
		Services []string      `json:"services"`
		Limits   tenant.Limits `json:"limits"`
		Upstream string        `json:"upstream"`
		Legacy   bool          `json:"legacy"`
		Epoch    *int64        `json:"epoch"` // of the route, where the tenant is new
	}
	steps struct {
		Steps []string `json:"steps"`
	}
	changed[T any] struct {
		From T `json:"from"`
		To   T `json:"to"`
	}
	versions struct {
		From *map[string]tenant.Version `json:"from"`
		To   map[string]tenant.Version  `json:"to"`
	}
	routed struct {
		From  tenant.Route `json:"from"`
		To    tenant.Route `json:"to"`
		Epoch int64        `json:"epoch"`
	}
	overridden struct {
		Kind   string  `json:"kind"`
		Value  string  `json:"value"`
		Reason *string `json:"reason"`
	}
	deleted struct {
		Tenant          *json.RawMessage `json:"tenant"` // what was known of it
		Cell            *string          `json:"cell"`
		OperationsEnded []string         `json:"operationsEnded"`
	}
	operation struct {
		Operation string  `json:"operation"`
		Kind      string  `json:"kind"`
		Phase     *string `json:"phase"`
	}
	step struct {
		Operation string `json:"operation"`
		Kind      string `json:"kind"`
		Step      string `json:"step"`
		Attempt   int    `json:"attempt"`
	}
	takenOver struct {
		Lease string `json:"lease"`
		From  string `json:"from"`
	}
)

// Kinds are all that there are.
func Kinds() []Kind {
	return []Kind{
		{Type: "tenant.registered", When: "a tenant was first recorded", Detail: declared{}},
		{Type: "tenant.changed", When: "its declaration changed", Detail: declared{}},
		{Type: "tenant.provisioned", When: "it was made", Detail: steps{}},
		{Type: "tenant.healed", When: "it was put back as declared", Detail: steps{}},
		{Type: "tenant.adopted", When: "a schema that was there already was taken over"},
		{Type: "tenant.state_changed", When: "it was suspended, resumed, archived", Detail: changed[tenant.State]{}},
		{Type: "tenant.limits_changed", When: "its limits are others", Detail: changed[tenant.Limits]{}},
		{Type: "tenant.versions_changed", When: "its schema was brought to other versions", Detail: versions{}},
		{Type: "tenant.search_path_changed", When: "the schemas of a lifted tenant are others", Detail: changed[[]string]{}},
		{Type: "tenant.routed", When: "its traffic goes elsewhere", Detail: routed{}},
		{Type: "tenant.overridden", When: "something was set by hand; without a tenant, for the fleet", Detail: overridden{}},
		{Type: "tenant.override_lifted", When: "that was lifted", Detail: overridden{}},
		{Type: "tenant.archived", When: "its dump was made"},
		{Type: "tenant.deleted", When: "nothing of it is left", Detail: deleted{}},
		{Type: "tenant.move.started", When: "a move begins"},
		{Type: "tenant.moved", When: "it lives on the platform, every row proven"},
		{Type: "tenant.move.rolled-back", When: "it is back on its legacy database"},
		{Type: "tenant.move.completed", When: "its move is over for good"},
		{Type: "operation.started", When: "a piece of work began", Detail: operation{}},
		{Type: "operation.resumed", When: "it went on", Detail: operation{}},
		{Type: "operation.done", When: "it ended well", Detail: operation{}},
		{Type: "operation.failed", When: "it ended with an error", Detail: operation{}},
		{Type: "operation.stopped", When: "it stopped where it was told to", Detail: operation{}},
		{Type: "operation.rolled-back", When: "it was undone", Detail: operation{}},
		{Type: "operation.step_started", When: "a step of it began", Detail: step{}},
		{Type: "operation.step_done", When: "the step is done", Detail: step{}},
		{Type: "operation.step_failed", When: "the step failed", Detail: step{}},
		{Type: "rollout.started", When: "a rollout begins", Fleet: true},
		{Type: "rollout.wave_completed", When: "a wave of it is through", Fleet: true},
		{Type: "rollout.gate_accepted", When: "a person let it pass a gate", Fleet: true},
		{Type: "rollout.stopped", When: "it stopped or pauses", Fleet: true},
		{Type: "rollout.completed", When: "it ended, some tenants without it perhaps", Fleet: true},
		{Type: "rollout.reverting", When: "it is being taken back", Fleet: true},
		{Type: "rollout.reverted", When: "it was taken back", Fleet: true},
		{Type: "operator.file_followed", When: "the fleet follows another tenants.yaml", Fleet: true},
		{Type: "operator.file_broken", When: "tenants.yaml can't be read", Fleet: true},
		{Type: "operator.file_mended", When: "it can be read again", Fleet: true},
		{Type: "operator.files_differ", When: "a replica has another file", Fleet: true},
		{Type: "operator.change_held", When: "a change waits to be accepted", Fleet: true},
		{Type: "operator.change_accepted", When: "it was accepted", Fleet: true},
		{Type: "operator.failed", When: "a tenant, or a rollout, isn't as declared; it is tried again"},
		{Type: "operator.refused", When: "that isn't tried again before its declaration changes"},
		{Type: "lease.taken_over", When: "work of a process that is silent goes to another", Fleet: true, Detail: takenOver{}},
		{Type: "login.rotated", When: "a login role has a new password", Fleet: true},
	}
}

// envelope is what all have in common: a CloudEvent.
type envelope struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     *string   `json:"subject"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
}
