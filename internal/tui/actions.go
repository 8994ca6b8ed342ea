package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

// Actions is what the dashboard does. Each action is a run of one of the program's commands.
type Actions interface {
	// Missing says why a verb can't be done by this program at all; "" where it can.
	Missing(verb string) string
	// Unable says why nothing at all can be done from here at the moment; "" where something can. It is asked again and again.
	Unable(ctx context.Context) string
	// Plan says what a request would do; it touches nothing.
	Plan(ctx context.Context, r Request) (Plan, error)
	// Do begins it. It goes on when the dashboard ends.
	Do(r Request) (Task, error)
	// Tasks are what this dashboard began, the newest first.
	Tasks() []Task
	// Stop asks a task to end in good order, as Ctrl-C does; it goes on when it is begun again.
	Stop(id int) error
}

// Request is a verb with the tenants that it is for, by name. Retry may be about no tenant: then it is the last rollout.
type Request struct {
	Verb    string
	Tenants []tenant.Name
}

func (r Request) String() string {
	if len(r.Tenants) == 0 {
		return r.Verb
	}
	return r.Verb + " " + joinNames(r.Tenants, 3)
}

// Plan is what a request would do.
type Plan struct {
	Commands []string // as they would be typed
	Text     string   // what the program says it would do; "": it has no dry run
}

// Task is a request under way, or that ended.
type Task struct {
	ID      int
	Request Request
	Command string
	Began   time.Time
	Ended   bool
	Took    time.Duration // once it ended
	Code    int           // its exit code, once it ended; -1 where it was killed
	Lines   []string      // the newest that it said
	Log     string        // the file that has all of them
}

// verb is something that can be done with tenants, with the same key wherever it can.
type verb struct {
	name   string
	key    string
	does   string
	effect string               // what the plan says first
	typed  bool                 // it destroys or can't be taken back: the name must be typed
	refuse func(*Tenant) string // why it can't be done with a tenant; "": it can
}

// verbs are all of them. None of the keys of those that destroy is beside another verb's on a keyboard by chance: all are
// capitals, and none acts before its plan was shown and agreed to.
func verbs() []verb {
	return []verb{
		{"provision", "P", "make it as declared: schema, roles, tables, access", "Makes what is missing and puts back what somebody changed; run again it finds nothing to do", false, refuseProvision},
		{"migrate", "M", "move its legacy database, or go on with the move", "Writes to the legacy database stop until the move is through, and stay stopped until it is rolled back", false, refuseMigrate},
		{"rollback", "B", "give the client its legacy database back", "Writes are allowed on the legacy database again, traffic goes there, and what the move brought is taken away; it refuses where the tenant was written to since", true, refuseRollback},
		{"complete", "C", "end the move for good", "After this there is no way back to the legacy database, which stays read only", true, refuseComplete},
		{"upgrade", "U", "bring its schema to the versions of tenants.yaml", "Runs the migration files that are missing, in waves, within the budget", false, refuseUpgrade},
		{"suspend", "S", "take its service away; its data stay", "No service can log in for it any more; R gives the service back", false, refuseSuspend},
		{"resume", "R", "give it its service back", "Services can log in for it again; an override that suspended it is lifted", false, refuseResume},
		{"pause", "Z", "have the operator leave it alone", "The operator changes nothing about it until it is unpaused; what is under way is brought to its end", false, refusePause},
		{"unpause", "O", "have the operator look after it again", "The operator goes on where the declaration and the tenant differ", false, refuseUnpause},
		{"retry", "T", "try again what failed: its move, or the last rollout", "Goes on where it stopped; what is done isn't done again", false, refuseRetry},
	}
}

const moveKind = migrate.Kind

func busyText(t *Tenant) string {
	if op := t.Operation; op != nil && op.State == tenant.OperationRunning && op.Runner != "" {
		return op.Kind + " is under way by " + op.Runner
	}
	return ""
}

// pauseKind is the override by which the operator leaves a tenant alone.
const pauseKind = "pause"

func refusePause(t *Tenant) string {
	if t.Overridden(pauseKind) != "" {
		return "it is paused already"
	}
	return ""
}

func refuseUnpause(t *Tenant) string {
	if t.Overridden(pauseKind) == "" {
		return "it isn't paused by its name"
	}
	return ""
}

func refuseProvision(t *Tenant) string {
	if !t.Declared {
		return "tenants.yaml doesn't declare it"
	}
	return busyText(t)
}

func refuseMigrate(t *Tenant) string {
	switch busy := busyText(t); {
	case busy != "":
		return busy
	case !t.Legacy:
		return "no legacy database is declared for it"
	case t.Route == tenant.RoutePlatform && t.Operation == nil:
		return "it lives on the platform already"
	}
	return ""
}

func refuseRollback(t *Tenant) string {
	switch busy := busyText(t); {
	case busy != "":
		return busy
	case !t.Legacy:
		return "it was never moved: no legacy database is declared for it"
	case t.Operation == nil && t.Route != tenant.RoutePlatform:
		return "it isn't moved"
	}
	return ""
}

func refuseComplete(t *Tenant) string {
	switch busy := busyText(t); {
	case busy != "":
		return busy
	case !t.Legacy:
		return "it was never moved: no legacy database is declared for it"
	case t.Operation != nil:
		return "its move isn't through: " + t.Operation.Kind + " stands at " + t.Operation.Phase
	case t.Route != tenant.RoutePlatform:
		return "it isn't moved"
	}
	return ""
}

func refuseUpgrade(t *Tenant) string {
	switch {
	case t.State == Absent:
		return "nothing was made of it yet: it gets the current versions when it is"
	case len(t.Services) == 0:
		return "it has no services, so there is nothing to upgrade"
	case t.Operation != nil:
		return "its " + t.Operation.Kind + " isn't finished"
	}
	return ""
}

func refuseSuspend(t *Tenant) string {
	switch t.State {
	case Absent:
		return "nothing was made of it yet"
	case tenant.Suspended:
		return "it is suspended already"
	}
	return busyText(t)
}

func refuseResume(t *Tenant) string {
	switch t.State {
	case Absent:
		return "nothing was made of it yet"
	case tenant.Active:
		return "it is active already"
	}
	return busyText(t)
}

func refuseRetry(t *Tenant) string {
	if t.Operation == nil || t.Operation.Kind != moveKind {
		return "none of its work failed"
	}
	return refuseMigrate(t)
}

// refusal says why a verb can't be done with some tenants; "" where it can.
func (a *app) refusal(v verb, names []tenant.Name) string {
	switch {
	case a.ReadOnly:
		return "the dashboard was started with --readonly"
	case a.Actions == nil:
		return "this dashboard can only look"
	case a.unable != "":
		return a.unable
	case a.Actions.Missing(v.name) != "":
		return a.Actions.Missing(v.name)
	case len(names) == 0 && v.name == "retry" && a.onRollout():
		return ""
	case len(names) == 0:
		return "there is no tenant under the cursor"
	}
	for _, name := range names {
		t := a.tenant(name)
		if t == nil {
			return string(name) + " isn't in the fleet"
		}
		if why := v.refuse(t); why != "" {
			if len(names) == 1 {
				return why
			}
			return string(name) + ": " + why
		}
	}
	return ""
}

func (a *app) onRollout() bool {
	switch a.top().(type) {
	case *rolloutPage, *rolloutsPage:
		return true
	}
	return false
}

// request is what a verb means where the cursor is: on a rollout, retry is about the rollout.
func (a *app) request(v verb, names []tenant.Name) Request {
	if v.name == "retry" && a.onRollout() {
		names = nil
	}
	return Request{Verb: v.name, Tenants: slices.Clone(names)}
}

func (a *app) verbOf(key string) (verb, bool) {
	for _, v := range verbs() {
		if v.key == key || v.name == key {
			return v, true
		}
	}
	return verb{}, false
}

// joinNames names the first few of some tenants and counts the rest.
func joinNames(names []tenant.Name, most int) string {
	shown := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		shown = append(shown, string(n))
	}
	s := strings.Join(shown, ", ")
	if more := len(names) - most; more > 0 {
		s += " and " + look.Plural(int64(more), "more", "more")
	}
	return s
}

// toType is what must be typed before something that can't be taken back.
func (r Request) toType() string {
	if len(r.Tenants) == 1 {
		return string(r.Tenants[0])
	}
	return fmt.Sprintf("%s %d tenants", r.Verb, len(r.Tenants))
}
