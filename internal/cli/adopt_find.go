package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"tenantctl/internal/config"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// The actions of an adoption.
const (
	actionAdopt      = "adopt"
	actionRebaseline = "take files as they are"
	actionDeclare    = "declare" // it is in the fleet, and not in tenants.yaml
	actionRefuse     = "refuse"
	actionNothing    = "nothing"
)

// adoptItem is one schema, and what is to be done about it.
type adoptItem struct {
	Schema   string                    `json:"schema"`
	Tenant   tenant.Name               `json:"tenant,omitempty"`
	Action   string                    `json:"action"`
	Versions map[string]tenant.Version `json:"versions,omitempty"`
	Owner    string                    `json:"owner,omitempty"`
	Tables   int                       `json:"tables"`
	Bytes    int64                     `json:"bytes"`
	// Handed is how many objects get another owner; at most so many where Exact is false.
	Handed  int      `json:"handed"`
	Exact   bool     `json:"exact"`
	Missing []string `json:"missing,omitempty"`
	Foreign []string `json:"foreign,omitempty"`
	Losing  []string `json:"losing,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Look    []string `json:"look,omitempty"`
	Why     string   `json:"why,omitempty"` // it is refused

	spec     tenant.Spec
	found    provision.Unadopted
	newcomer bool // tenants.yaml doesn't declare it
	refused  error
}

func (i *adoptItem) pending() bool { return i.Action == actionAdopt || i.Action == actionRebaseline }

func (i *adoptItem) refuse(err error) {
	i.Action, i.refused, i.Why = actionRefuse, err, maskText(err.Error())
}

func (i *adoptItem) asNewcomer() config.Newcomer {
	return config.Newcomer{Name: i.Tenant, Instance: i.spec.Instance, Schema: i.Schema, Services: i.spec.Services}
}

// find lists what there is to adopt, and plans each.
func (a *adopter) find(ctx context.Context) error {
	if err := a.checkService(); err != nil {
		return err
	}
	var err error
	if a.discovers() {
		err = a.discover(ctx)
	} else {
		err = a.named(ctx)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(a.items, func(x, y *adoptItem) int { return strings.Compare(x.Schema, y.Schema) })
	a.refuseTwins()
	return a.plan(ctx)
}

func (a *adopter) checkService() error {
	if a.Service == "" || slices.ContainsFunc(a.home.Streams, func(s *stream.Stream) bool { return s.Service == a.Service }) {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("service %q has no migrations in %s: %w", a.Service, a.file.Name(), tenant.ErrInvalid), "declare it under services:")
}

// discover finds schemas by pattern and tool.
func (a *adopter) discover(ctx context.Context) error {
	var names []string
	if a.From == fromDjango {
		var err error
		if names, err = a.home.DjangoTenants(ctx); err != nil {
			return err
		}
	}
	found, err := a.home.Unadopted(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(found, func(u provision.Unadopted) bool { return u.Name == name }) {
			a.Factory.Warn("django-tenants lists schema %q, which isn't there", name)
		}
	}
	for _, u := range found {
		matches := true
		if a.Schemas != "" {
			matches, _ = path.Match(a.Schemas, u.Name) // the pattern was checked
		}
		if matches && a.madeBy(u) {
			a.consider(u)
		}
	}
	return nil
}

func (a *adopter) madeBy(u provision.Unadopted) bool {
	switch a.From {
	case fromGolangMigrate:
		return len(u.VersionTables) > 0
	case fromApartment:
		return u.Rails
	}
	return true
}

// consider notes a schema that was found. One that is in the fleet already needs a declaration at most.
func (a *adopter) consider(u provision.Unadopted) {
	item := newItem(u)
	for _, s := range a.statuses {
		if s.Instance == a.instance && s.Schema == u.Name {
			a.known++
			if _, err := a.file.Tenant(s.Name); err != nil && a.wants(s.Name) {
				item.Tenant, item.Action, item.newcomer, item.spec = s.Name, actionDeclare, true, reconcile.RecordedSpec(&s)
				a.items = append(a.items, item)
			}
			return
		}
	}
	name, err := a.nameFor(u.Name)
	if err != nil {
		if len(a.Names) == 0 {
			item.refuse(err)
			a.items = append(a.items, item)
		}
		return
	}
	if !a.wants(name) {
		return
	}
	item.Tenant = name
	a.items = append(a.items, item)
	a.specify(item)
}

func newItem(u provision.Unadopted) *adoptItem {
	return &adoptItem{Schema: u.Name, Action: actionAdopt, Owner: u.Owner, Tables: u.Tables, Bytes: u.Bytes, found: u}
}

func (a *adopter) wants(name tenant.Name) bool {
	return len(a.Names) == 0 || slices.Contains(a.Names, string(name))
}

// nameFor is the name of the tenant whose schema it is declared to be, or the one that the schema's own name says.
func (a *adopter) nameFor(schema string) (tenant.Name, error) {
	for _, name := range a.file.Tenants() {
		if spec, err := a.file.Tenant(name); err == nil && spec.Schema == schema && spec.Instance == a.instance {
			return name, nil
		}
	}
	before, after, _ := strings.Cut(a.file.SchemaPattern(), "{tenant}")
	stem, pre := strings.CutPrefix(schema, before)
	stem, post := strings.CutSuffix(stem, after)
	if !pre || !post || stem == "" {
		stem = schema
	}
	name, err := tenant.ParseName(strings.ReplaceAll(stem, "_", "-"))
	if err != nil {
		return "", tenant.WithHint(fmt.Errorf("schema %q says no tenant's name: %w", schema, err),
			fmt.Sprintf("declare the tenant under a name of your choice: `tenants: { NAME: { schema: %q } }`", schema))
	}
	return name, nil
}

// refuseTwins refuses schemas whose names come to the same tenant, or to one that lives elsewhere.
func (a *adopter) refuseTwins() {
	by := map[tenant.Name][]*adoptItem{}
	for _, item := range a.items {
		if item.Tenant != "" {
			by[item.Tenant] = append(by[item.Tenant], item)
		}
	}
	for name, items := range by {
		hint := "declare one of them under a name of its own: `tenants: { NAME: { schema: SCHEMA } }`"
		for _, item := range items {
			declared, err := a.file.Tenant(name)
			switch {
			case len(items) > 1:
				item.refuse(tenant.WithHint(fmt.Errorf("schemas %s and %s both come to tenant %q: %w", items[0].Schema, items[1].Schema, name, tenant.ErrConflict), hint))
			case item.Action == actionAdopt && err == nil && (declared.Schema != item.Schema || declared.Instance != a.instance):
				item.refuse(tenant.WithHint(fmt.Errorf("schema %q comes to tenant %q, which is declared to live in schema %q of %s: %w",
					item.Schema, name, declared.Schema, declared.Instance, tenant.ErrConflict), hint))
			case item.Action == actionAdopt && a.statuses[name].Name != "":
				item.refuse(tenant.WithHint(fmt.Errorf("schema %q comes to tenant %q, which lives in schema %q: %w", item.Schema, name, a.statuses[name].Schema, tenant.ErrConflict), hint))
			}
		}
	}
}

// named are the tenants by name: those of the fleet take the files as they are, the others' schemas are adopted.
func (a *adopter) named(ctx context.Context) error {
	for _, text := range a.Names {
		name := tenant.Name(text)
		if s, ok := a.statuses[name]; ok {
			a.items = append(a.items, a.rebaseline(s))
			continue
		}
		spec, err := a.file.Tenant(name)
		schema := spec.Schema
		if err != nil {
			if schema, err = name.SchemaFor(a.file.SchemaPattern()); err != nil {
				return err
			}
		}
		found, err := a.home.Unadopted(ctx, []string{schema})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return tenant.WithHint(fmt.Errorf("tenant %s: there is no schema %q on %s: %w", name, schema, a.instance, tenant.ErrNotFound),
				fmt.Sprintf("`tenantctl provision %s` makes a new one; --schemas 'PATTERN' finds one of another name", name))
		}
		item := newItem(found[0])
		item.Tenant = name
		a.items = append(a.items, item)
		a.specify(item)
	}
	return nil
}

// rebaseline is about a tenant that is in the fleet.
func (a *adopter) rebaseline(s tenant.Status) *adoptItem {
	item := &adoptItem{Schema: s.Schema, Tenant: s.Name, Action: actionRebaseline, Versions: s.Versions, Exact: true, spec: reconcile.RecordedSpec(&s)}
	if declared, err := a.file.Tenant(s.Name); err == nil {
		item.spec = declared
	} else {
		item.newcomer = true
	}
	switch t := (reconcile.Tenant{Name: s.Name, Status: &s}); {
	case s.Instance != a.instance:
		item.refuse(fmt.Errorf("tenant %s lives on instance %s: adopt it by itself: %w", s.Name, s.Instance, tenant.ErrInvalid))
	case t.Busy() != nil:
		item.refuse(t.Busy())
	case a.Service != "" && !slices.Contains(item.spec.Services, a.Service):
		item.refuse(fmt.Errorf("tenant %s has no service %s: %w", s.Name, a.Service, tenant.ErrInvalid))
	case a.Service != "":
		item.spec.Services = []string{a.Service}
	}
	return item
}

// specify finds out what the tenant is to be: as declared, or with the services whose versions the schema has.
func (a *adopter) specify(item *adoptItem) {
	u := item.found
	if spec, err := a.file.Tenant(item.Tenant); err == nil {
		item.spec = spec
		return
	}
	item.newcomer = true
	item.spec = tenant.Spec{Name: item.Tenant, Instance: a.instance, Schema: u.Name}
	tables := map[string]bool{}
	for _, s := range a.home.Streams {
		tables[s.Table()] = true
		if a.Service == s.Service || a.Service == "" && slices.Contains(u.VersionTables, s.Table()) {
			item.spec.Services = append(item.spec.Services, s.Service)
		}
	}
	if len(item.spec.Services) == 0 && a.At != nil {
		if len(a.home.Streams) != 1 {
			item.refuse(tenant.WithHint(fmt.Errorf("schema %q: --at needs to know of which service: %w", u.Name, tenant.ErrInvalid), "--service NAME"))
			return
		}
		item.spec.Services = []string{a.home.Streams[0].Service}
	}
	for _, table := range u.VersionTables {
		if tables[table] {
			continue
		}
		hint := fmt.Sprintf("say whose it is in tenants.yaml: `services.NAME.table: %s`", table)
		if len(item.spec.Services) == 0 {
			item.refuse(tenant.WithHint(fmt.Errorf("schema %q has golang-migrate's version table %s, which no service has: %w", u.Name, table, tenant.ErrRefused), hint))
			return
		}
		item.Notes = append(item.Notes, fmt.Sprintf("its version table %s is no service's: %s", table, hint))
	}
}

// plan plans each item. Newcomers have what a tenant has by default in tenants.yaml.
func (a *adopter) plan(ctx context.Context) error {
	if err := a.fillDefaults(); err != nil {
		return err
	}
	for _, item := range a.items {
		var err error
		switch item.Action {
		case actionAdopt:
			err = a.planAdoption(ctx, item)
		case actionRebaseline:
			err = a.planRebaseline(ctx, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *adopter) fillDefaults() error {
	var newcomers []config.Newcomer
	for _, item := range a.items {
		if item.newcomer && item.Action != actionRefuse {
			newcomers = append(newcomers, item.asNewcomer())
		}
	}
	if len(newcomers) == 0 {
		return nil
	}
	added, err := a.file.Add(newcomers)
	if err != nil {
		return err
	}
	for _, item := range a.items {
		if !item.newcomer || item.Action != actionAdopt {
			continue
		}
		if item.spec, err = added.File.Tenant(item.Tenant); err != nil {
			return err
		}
	}
	return nil
}

func (a *adopter) planAdoption(ctx context.Context, item *adoptItem) error {
	plan, err := a.home.PlanAdoption(ctx, item.spec, item.found, a.At)
	if err != nil {
		return err
	}
	item.Versions, item.Handed, item.Exact = plan.Versions, plan.Handed, plan.Exact || len(item.spec.Services) == 0
	item.Missing, item.Foreign, item.Losing, item.Look = plan.Missing, plan.Foreign, plan.Losing, plan.Look
	if plan.Refused != nil {
		item.refuse(plan.Refused)
	}
	return nil
}

func (a *adopter) planRebaseline(ctx context.Context, item *adoptItem) error {
	edited, err := a.home.Edited(ctx, item.spec, item.spec.Services)
	if errors.Is(err, tenant.ErrConflict) || errors.Is(err, tenant.ErrNotFound) {
		item.refuse(err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, service := range slices.Sorted(maps.Keys(edited.Differences)) {
		if len(edited.Differences[service]) == 0 {
			item.Notes = append(item.Notes, service+": nothing was recorded of its files yet")
		}
		for _, d := range edited.Differences[service] {
			item.Notes = append(item.Notes, service+": "+d.String())
		}
	}
	if len(edited.Differences) == 0 {
		item.Action = actionNothing
		if item.newcomer {
			item.Action = actionDeclare
		}
	}
	return nil
}
