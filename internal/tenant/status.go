package tenant

import (
	"encoding/json"
	"strings"
	"time"
)

// Version is where a tenant stands in a stream.
type Version struct {
	Number uint64 `json:"number"`
	Dirty  bool   `json:"dirty,omitempty"`
}

// Status is what is observed of one tenant.
type Status struct {
	Name     Name   `json:"name"`
	Instance string `json:"instance"`
	Schema   string `json:"schema"`
	Cell     string `json:"cell,omitempty"`
	Ring     string `json:"ring,omitempty"`
	State    State  `json:"state"`
	Override string `json:"override,omitempty"` // set by hand; the operator respects it
	Route    Route  `json:"route"`
	Epoch    int64  `json:"epoch"` // rises with each change of the route
	// HeldFrom is where the traffic went before route hold, and goes on to if it only reads.
	HeldFrom Route              `json:"heldFrom,omitempty"`
	Versions map[string]Version `json:"versions,omitempty"`
	Limits   Limits             `json:"limits"`
	Services []string           `json:"services,omitempty"`
	// SearchPath is where a lifted tenant's names are looked up.
	SearchPath []string   `json:"searchPath,omitempty"`
	Upstream   string     `json:"upstream,omitempty"`
	Created    time.Time  `json:"created"`
	Updated    time.Time  `json:"updated"`
	Operation  *Operation `json:"operation,omitempty"` // the newest one that isn't finished
}

// Overridden is the value of an override of a tenant, "" where there is none. They are kept as kind=value, kind=value.
func (s *Status) Overridden(kind string) string {
	if s == nil {
		return ""
	}
	for _, pair := range strings.Split(s.Override, ", ") {
		if value, found := strings.CutPrefix(pair, kind+"="); found {
			return value
		}
	}
	return ""
}

// OperationState is where an operation stands.
type OperationState string

// The states of an operation.
const (
	OperationRunning OperationState = "running"
	OperationFailed  OperationState = "failed"
	OperationStopped OperationState = "stopped" // where it was told to stop; goes on when run again
	OperationDone    OperationState = "done"
	OperationUndone  OperationState = "rolled-back"
)

// Operation is one durable piece of work on a tenant, resumable until it is done or undone.
type Operation struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"` // migrate, provision, delete ...
	Tenant   Name            `json:"tenant"`
	State    OperationState  `json:"state"`
	Phase    string          `json:"phase"` // the newest step begun
	Actor    string          `json:"actor"`
	Reason   string          `json:"reason,omitempty"`
	Error    string          `json:"error,omitempty"`
	Detail   json.RawMessage `json:"detail,omitempty"` // the kind's own state, kept between attempts
	Progress json.RawMessage `json:"progress,omitempty"`
	Started  time.Time       `json:"started"`
	Updated  time.Time       `json:"updated"`
	Runner   string          `json:"runner,omitempty"` // the process that holds the tenant's lease; empty while running: it died
}

// StepRecord is one attempt at one step in the journal.
type StepRecord struct {
	Operation string    `json:"operation"`
	Step      string    `json:"step"`
	Attempt   int       `json:"attempt"`
	State     string    `json:"state"` // started, done, failed, or voided by a rollback or retry
	Actor     string    `json:"actor"`
	Error     string    `json:"error,omitempty"`
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
}

// Event is a fact, published after the change it tells of was committed.
type Event struct {
	ID      int64           `json:"id"`
	Time    time.Time       `json:"time"`
	Type    string          `json:"type"` // tenant.provisioned, tenant.moved ...
	Tenant  Name            `json:"tenant,omitempty"`
	Actor   string          `json:"actor,omitempty"`
	Message string          `json:"message"` // one line for people
	Data    json.RawMessage `json:"data,omitempty"`
}
