package upgrade

import (
	"fmt"
	"time"

	"tenantctl/internal/tenant"
)

// Target is the version that a rollout brings a stream to.
type Target struct {
	Service string `json:"service"`
	Version uint64 `json:"version"`
}

// Member is a tenant that an upgrade may concern.
type Member struct {
	Tenant   tenant.Name  `json:"tenant"`
	Instance string       `json:"instance"`
	Schema   string       `json:"schema"`
	Ring     string       `json:"ring"`
	State    tenant.State `json:"state"`
	Services []string     `json:"services"`
	Busy     string       `json:"busy,omitempty"` // the operation that isn't finished on it, such as migrate; "" is none
}

// State is where a rollout stands.
type State string

// The states of a rollout.
const (
	Running    State = "running"     // or its process died
	Stopped    State = "stopped"     // the failure budget was spent, a gate failed, or it was interrupted
	Paused     State = "paused"      // a gate couldn't tell
	Partial    State = "partial"     // ended; some tenants failed
	Done       State = "done"        // ended; every tenant is there
	Reverting  State = "reverting"   // is being rolled back
	RolledBack State = "rolled-back" // every tenant that it touched is where it was
	Superseded State = "superseded"  // a newer rollout was begun in its place
)

// Unfinished tells whether a rollout is to be resumed or rolled back before the next one begins.
func (s State) Unfinished() bool {
	return s == Running || s == Stopped || s == Paused || s == Reverting
}

// Rollout is an upgrade of many tenants, as it is recorded.
type Rollout struct {
	ID      string    `json:"id"`
	State   State     `json:"state"`
	Whole   bool      `json:"whole"`   // it is of the whole fleet
	Targets []Target  `json:"targets"` // in dependency order
	Wave    int       `json:"wave"`    // that is or was under way, from 1; 0 before the first
	Waves   []Wave    `json:"waves"`
	Actor   string    `json:"actor"`
	Reason  string    `json:"reason,omitempty"`
	Error   string    `json:"error,omitempty"` // why it stopped
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
}

// Wave is the tenants of one ring that are upgraded together.
type Wave struct {
	Number   int           `json:"number"` // from 1
	Ring     string        `json:"ring"`
	Size     int           `json:"size"`
	Parallel int           `json:"parallel"` // tenants at once on each instance
	Bake     time.Duration `json:"bake"`
	Passed   bool          `json:"passed"` // its tenants are done and its gates let the next wave begin
}

// Result is what came of one tenant.
type Result string

// The results of tenants.
const (
	Pending   Result = "pending"
	Upgraded  Result = "upgraded"
	Unchanged Result = "unchanged" // was there already
	Failed    Result = "failed"    // its data or schema doesn't allow it: trying again gives the same
	Deferred  Result = "deferred"  // locks or the connection didn't allow it in time: trying again may work
	Skipped   Result = "skipped"   // a rule leaves it out
	Reverted  Result = "reverted"  // back where it was
)

// Outcome is a tenant in a rollout.
type Outcome struct {
	Member
	Wave     int                `json:"wave"`
	Before   map[string]*uint64 `json:"before"` // where it stood, by service; null: nothing was applied
	Result   Result             `json:"result"`
	Attempts int                `json:"attempts"`
	Failure  *Failure           `json:"failure,omitempty"`
	Note     string             `json:"note,omitempty"` // why it was skipped
	Elapsed  time.Duration      `json:"elapsed"`

	err error
	now map[string]tenant.Version // where it was left, by service
}

// Failure is why a tenant isn't there.
type Failure struct {
	Service   string `json:"service,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Statement string `json:"statement,omitempty"`
	Code      string `json:"code,omitempty"` // SQLSTATE
	Message   string `json:"message"`
	Blockers  string `json:"blockers,omitempty"` // who held the lock
}

// String tells where it failed and why, in a line.
func (f Failure) String() string {
	text := f.Message
	if f.File != "" {
		text = fmt.Sprintf("%s %s:%d: %s", f.Service, f.File, f.Line, f.Message)
	}
	if f.Blockers != "" {
		text += "; held by " + f.Blockers
	}
	return text
}
