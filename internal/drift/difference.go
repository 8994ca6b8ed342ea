package drift

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tenantctl/internal/tenant"
)

// What is different.
type What string

// The ways in which an object differs.
const (
	Missing What = "missing" // the files make it, the tenant hasn't got it
	Extra   What = "extra"   // it belongs to a stream's owner, and no file makes it
	Changed What = "changed"
)

// Kinds of differences that aren't objects of a schema.
const (
	KindSchema  = "schema"  // isn't there
	KindService = "service" // nothing of its stream was applied
	KindVersion = "version" // a file didn't end
	KindFile    = "file"    // isn't what was applied
	KindAccess  = "access"  // roles, owners of schemas, privileges, memberships
)

// Facts that Fix knows.
const (
	factOwner    = "owner"    // the role that an object belongs to
	factValidity = "validity" // whether an index or constraint holds for all rows
	factIndex    = "index"    // how the index of a constraint is made; its definition says the same
)

// Difference is one thing that isn't as it should be. Equal ones of two tenants are the same value: {schema} stands for the
// name of the tenant's schema.
type Difference struct {
	Kind string `json:"kind"` // table, column, index ...
	Name string `json:"name"`
	What What   `json:"what"`
	// Service is whose stream makes, or owns, the object.
	Service string `json:"service,omitempty"`
	// Fact is what of a changed object isn't right: definition, type, validity ...
	Fact string `json:"fact,omitempty"`
	// Want and Have are the fact as it should be and as it is, "" where there is none.
	Want string `json:"want,omitempty"`
	Have string `json:"have,omitempty"`
}

const shown = 160

// String is the difference in a line.
func (d Difference) String() string {
	head := d.Kind + " " + d.Name
	switch d.Kind {
	case KindSchema:
		return "the schema isn't there"
	case KindService:
		return fmt.Sprintf("service %s: nothing of its stream was applied", d.Name)
	case KindVersion:
		return fmt.Sprintf("service %s is dirty at version %s: its file didn't end", d.Name, d.Have)
	case KindFile:
		return "service " + d.Service + ": " + d.Have
	case KindAccess:
		return "access: " + d.Name
	}
	switch {
	case d.What != Changed:
		return head + " is " + string(d.What)
	case d.Want == "" && (d.Fact == factValidity || d.Fact == "enforcement"):
		return head + ": " + d.Have
	case d.Want == "":
		return fmt.Sprintf("%s: %s is %s, should have none", head, d.Fact, brief(d.Have))
	case d.Have == "":
		return fmt.Sprintf("%s: has no %s, should be %s", head, d.Fact, brief(d.Want))
	}
	return fmt.Sprintf("%s: %s is %s, should be %s", head, d.Fact, brief(d.Have), brief(d.Want))
}

// brief is a text in one line of bounded length.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > shown {
		return string(runes[:shown]) + "…"
	}
	return text
}

func (d Difference) compare(other Difference) int {
	return cmp.Or(cmp.Compare(d.Service, other.Service), cmp.Compare(d.Kind, other.Kind), cmp.Compare(d.Name, other.Name),
		cmp.Compare(d.What, other.What), cmp.Compare(d.Fact, other.Fact), cmp.Compare(d.Want, other.Want), cmp.Compare(d.Have, other.Have))
}

// owners tells whose an object is.
type owners struct {
	services map[string]string // by owner role
	lifted   string            // the role that owns what was lifted
}

// diff finds what of a schema isn't as the reference has it, and what in it is none of ours.
func (r *reference) diff(schema string, have catalog, whose owners) (found []Difference, foreign []string) {
	named := make(catalog, len(have))
	for key, o := range have {
		key.Name = hide(key.Name, schema)
		named[key] = o
	}
	expected := make(map[id]bool, len(r.compare))
	for key, want := range r.compare {
		service := whose.services[want.Owner]
		as := id{key.Kind, as(key.Name, schema)}
		expected[as] = true
		o, there := named[as]
		switch {
		case there:
			found = append(found, changes(key, service, want, o, schema)...)
		case want.Parent == "" || have.holds(want.Parent):
			found = append(found, Difference{Kind: key.Kind, Name: key.Name, What: Missing, Service: service, Want: summary(want)})
		}
	}
	for key, o := range named {
		if expected[key] || o.Parent != "" && !r.compare.holds(o.Parent) {
			continue // or hangs on what is extra or foreign itself
		}
		service, ours := whose.services[o.Owner]
		switch {
		case ours || o.Parent != "":
			found = append(found, Difference{Kind: key.Kind, Name: key.Name, What: Extra, Service: service, Have: hide(summary(o), schema)})
		case o.Owner != whose.lifted:
			foreign = append(foreign, fmt.Sprintf("%s %s of %s", o.Kind, key.Name, o.Owner))
		}
	}
	slices.Sort(foreign)
	return found, foreign
}

// holds tells whether something is there on which others hang.
func (c catalog) holds(name string) bool {
	for _, kind := range []string{"table", "view", "materialized view", "foreign table", "domain"} {
		if _, ok := c[id{kind, name}]; ok {
			return true
		}
	}
	return false
}

// changes compares an object's owner and facts. What hangs on a table, and a column's sequence, has the table's owner.
func changes(key id, service string, want, have object, schema string) []Difference {
	var found []Difference
	if want.Owner != have.Owner && want.Parent == "" && want.Facts["owned by"] == "" {
		found = append(found, Difference{Kind: key.Kind, Name: key.Name, What: Changed, Service: service, Fact: factOwner, Want: want.Owner, Have: have.Owner})
	}
	for fact := range union(want.Facts, have.Facts) {
		if fact != factIndex && !alike(want.Facts[fact], have.Facts[fact], schema) {
			found = append(found, Difference{
				Kind: key.Kind, Name: key.Name, What: Changed, Service: service, Fact: fact,
				Want: want.Facts[fact], Have: hide(have.Facts[fact], schema),
			})
		}
	}
	return found
}

func union(a, b map[string]string) map[string]string {
	both := maps.Clone(a)
	if both == nil {
		return b
	}
	maps.Copy(both, b)
	return both
}

// summary is what is told of an object that is only on one side.
func summary(o object) string {
	for _, fact := range []string{"definition", "aggregate", "labels", "attributes", "base", "type", "sequence"} {
		if text, ok := o.Facts[fact]; ok {
			return text
		}
	}
	return ""
}

// Group is what some tenants have in common.
type Group struct {
	Differences []Difference  `json:"differences"`
	Tenants     []tenant.Name `json:"tenants"`
}

// Groups puts together the differences that the same tenants share; the most common come first.
func Groups(findings []Finding) []Group {
	sharing := map[Difference][]tenant.Name{}
	for _, f := range findings {
		for _, d := range f.Differences {
			sharing[d] = append(sharing[d], f.Tenant)
		}
	}
	byTenants := map[string]*Group{}
	for _, d := range slices.SortedFunc(maps.Keys(sharing), Difference.compare) {
		tenants := sharing[d]
		slices.Sort(tenants)
		key := fmt.Sprint(tenants)
		if byTenants[key] == nil {
			byTenants[key] = &Group{Tenants: tenants}
		}
		byTenants[key].Differences = append(byTenants[key].Differences, d)
	}
	groups := make([]Group, 0, len(byTenants))
	for _, g := range byTenants {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(len(b.Tenants), len(a.Tenants)), slices.Compare(a.Tenants, b.Tenants))
	})
	return groups
}
