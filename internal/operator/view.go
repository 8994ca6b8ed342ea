package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// view is the fleet at a moment: declared, recorded, and what came of earlier work.
type view struct {
	*loaded
	fleet     []reconcile.Tenant
	records   map[key]Record
	paused    map[tenant.Name]bool // "" is the whole fleet
	targets   []upgrade.Target
	now       time.Time // of the control database
	unsettled map[string]int
}

func (o *Operator) view(ctx context.Context, l *loaded) (*view, error) {
	v := &view{loaded: l, paused: map[tenant.Name]bool{}, unsettled: map[string]int{}}
	statuses, err := o.Records.Statuses(ctx, registry.StatusFilter{})
	if err == nil {
		v.fleet, err = reconcile.Fleet(l.file, statuses)
	}
	if err != nil {
		return nil, err
	}
	if v.targets, err = v.Targets(ctx); err != nil {
		return nil, err
	}
	return v, o.fill(ctx, v)
}

// viewOf is the view of some tenants; its fleet are those that are declared. It has no targets, for which
// all migrations are read.
func (o *Operator) viewOf(ctx context.Context, l *loaded, names ...tenant.Name) (*view, error) {
	v := &view{loaded: l, paused: map[tenant.Name]bool{}}
	statuses, err := o.Records.Statuses(ctx, registry.StatusFilter{Names: names})
	if err != nil {
		return nil, err
	}
	recorded := make(map[tenant.Name]*tenant.Status, len(statuses))
	for i := range statuses {
		recorded[statuses[i].Name] = &statuses[i]
	}
	for _, name := range names {
		if spec, err := l.file.Tenant(name); err == nil {
			v.fleet = append(v.fleet, reconcile.Tenant{Name: name, Declared: true, Spec: spec, Status: recorded[name]})
		}
	}
	return v, o.fill(ctx, v, append(slices.Clone(names), "")...)
}

func (o *Operator) fill(ctx context.Context, v *view, names ...tenant.Name) (err error) {
	if v.records, err = o.Store.Records(ctx, names...); err != nil {
		return err
	}
	overrides, err := o.Records.Overrides(ctx, "")
	if err != nil {
		return err
	}
	for _, override := range overrides {
		if override.Kind == reconcile.OverridePause {
			v.paused[override.Tenant] = true
		}
	}
	v.now = o.Clock.Now()
	return nil
}

// digest tells one declaration of what a task is about from another.
func digest(parts ...any) string {
	body, err := json.Marshal(parts)
	if err != nil {
		panic(err) // specs and their kin always encode
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// declared is the digest of what a task is about.
func (v *view) declared(t reconcile.Tenant, task Task) string {
	switch task {
	case TaskMove:
		move, _ := v.file.Move(t.Name)
		return digest(t.Spec, move.Mode, move.Until, move.Window.String())
	case TaskRollout:
		return digest(v.targets, v.file.Rollout().Rings)
	case TaskRemove:
		deletion, _ := v.file.Deletion(t.Name)
		return digest(t.Desired(), deletion)
	}
	return digest(t.Spec, t.Desired())
}

// due is what isn't as declared and can be worked on now.
func (v *view) due() scanned {
	found := scanned{next: time.Hour}
	if v.paused[""] {
		v.unsettled["paused"] = len(v.fleet)
		return found
	}
	behind := false
	newcomers := map[string][]tenant.Name{}
	for _, t := range v.fleet {
		task := v.task(t)
		if v.paused[t.Name] {
			v.unsettled["paused"]++
			continue
		}
		behind = behind || v.behind(t)
		switch {
		case task == "":
			v.unsettled["settled"]++
		case v.open(t, task, &found):
			v.unsettled["due"]++
			if task == TaskTenant && v.isNew(t) {
				newcomers[t.Spec.Instance] = append(newcomers[t.Spec.Instance], t.Name)
				continue
			}
			found.jobs = append(found.jobs, job{Task: task, Tenant: t.Name})
		default:
			v.unsettled[string(v.records[key{t.Name, task}].Result)]++
		}
	}
	for instance, names := range newcomers {
		found.jobs = append(found.jobs, welcome(instance, names)...)
	}
	if fleet := (reconcile.Tenant{}); behind && v.open(fleet, TaskRollout, &found) {
		found.jobs = append(found.jobs, job{Task: TaskRollout})
	}
	return found
}

func (v *view) count(m *Metrics) {
	m.records.Reset()
	for state, n := range v.unsettled {
		m.records.WithLabelValues(state).Set(float64(n))
	}
}

// open tells whether a task may be begun: what was refused isn't until its declaration changes, what failed has its pause.
func (v *view) open(t reconcile.Tenant, task Task, found *scanned) bool {
	r, known := v.records[key{t.Name, task}]
	if !known || r.Declared != v.declared(t, task) {
		return true
	}
	if r.Result == Refused {
		return false
	}
	if r.RetryAt == nil || !r.RetryAt.After(v.now) {
		return true
	}
	found.next = min(found.next, r.RetryAt.Sub(v.now))
	return false
}

// task is what a tenant needs next, as far as the records tell; "" is nothing.
func (v *view) task(t reconcile.Tenant) Task {
	if !t.Declared || t.Busy() != nil {
		return ""
	}
	plan := reconcile.Decide(t, reconcile.Seen{})
	switch {
	case plan.To == tenant.Deleted:
		if t.Status == nil {
			return ""
		}
		return TaskRemove
	case plan.Moves() && plan.To == tenant.Archived:
		return TaskRemove
	case plan.Pending(), v.unfinished(t):
		return TaskTenant
	case v.moves(t):
		return TaskMove
	}
	return ""
}

// unfinished tells of a tenant that is recorded, but whose making failed or ended in the middle: it is recorded before it
// is made. One with an operation under way is that operation's.
func (v *view) unfinished(t reconcile.Tenant) bool {
	if t.Status == nil || t.Operation() != nil || t.Desired() == tenant.Archived {
		return false
	}
	if r, known := v.records[key{t.Name, TaskTenant}]; known && r.Declared == v.declared(t, TaskTenant) {
		return r.Result == Failed || r.Result == Waiting
	}
	return slices.ContainsFunc(t.Spec.Services, func(service string) bool {
		_, stands := t.Status.Versions[service]
		return !stands
	})
}

// isNew tells of a tenant that is to be made.
func (v *view) isNew(t reconcile.Tenant) bool { return t.Status == nil || v.unfinished(t) }

// behind tells whether a rollout would bring a tenant forward.
func (v *view) behind(t reconcile.Tenant) bool {
	if !t.Declared || t.Status == nil || t.Busy() != nil || t.Status.State == tenant.Archived || t.Status.State == tenant.Deleted {
		return false
	}
	for _, target := range v.targets {
		if stands, has := t.Status.Versions[target.Service]; has && stands.Number < target.Version {
			return true
		}
	}
	return false
}
