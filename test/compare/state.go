package compare

import (
	"fmt"
	"sort"
	"strings"
)

// object is what a fact is about. Its schema is in the form that both sides have in common.
type object struct{ kind, schema, name string }

func (o object) String() string {
	if o.schema == "" {
		return o.kind + " " + o.name
	}
	if o.name == "" {
		return o.kind + " " + o.schema
	}
	return o.kind + " " + o.schema + "." + o.name
}

// fact is one property's value and how it is compared.
type fact struct {
	form  form
	value string
}

// rows are the contents of one relation.
type rows struct {
	count int64
	hash  string
	// fresh is what a materialized view would hold if it were refreshed now: either will do for the tenant.
	fresh string
	// tree is the partitioned table whose hash of OIDs decides where a row lies: its partitions are compared as one.
	tree string
}

// State is what one side holds: read before a move, it can be compared after it.
type State struct {
	facts map[object]map[string]fact
	rows  map[string]rows // by relation, in the common form
}

// Diff lists how a tenant's state differs from its legacy's. Empty means that nothing was found.
func Diff(legacy, tenant State) []string {
	var lines []string
	for object, want := range legacy.facts {
		got, there := tenant.facts[object]
		if !there {
			lines = append(lines, object.String()+": missing in the tenant")
			continue
		}
		lines = append(lines, diffObject(object, want, got)...)
	}
	for object := range tenant.facts {
		if _, there := legacy.facts[object]; !there && !ofInstance(object) {
			lines = append(lines, object.String()+": not in the legacy")
		}
	}
	lines = append(lines, diffRows(legacy.rows, tenant.rows)...)
	sort.Strings(lines)
	return lines
}

// ofInstance: extensions serve all tenants, and a tenant has its schema even where the legacy has no public one.
func ofInstance(o object) bool {
	return o.kind == "extension" || o == object{kind: "schema", schema: mark("public")}
}

func diffObject(o object, want, got map[string]fact) []string {
	var lines []string
	for property, legacy := range want {
		tenant, there := got[property]
		if !there && legacy.form != searchPath || !same(legacy, tenant) {
			lines = append(lines, difference(o, property, legacy.value, tenant.value))
		}
	}
	for property, tenant := range got {
		if _, there := want[property]; there || allowedAddition(o, tenant) {
			continue
		}
		lines = append(lines, difference(o, property, "", tenant.value))
	}
	return lines
}

func difference(o object, property, legacy, tenant string) string {
	legacy, tenant = aroundDifference(legacy, tenant)
	return fmt.Sprintf("%s: %s: legacy %s, tenant %s", o, property, shown(legacy), shown(tenant))
}

// aroundDifference cuts what two long values have in common before their first difference, but for a few words.
func aroundDifference(a, b string) (string, string) {
	const long, before = 300, 80
	if len(a) < long || len(b) < long {
		return a, b
	}
	x, y := []rune(a), []rune(b)
	same := 0
	for same < len(x) && same < len(y) && x[same] == y[same] {
		same++
	}
	if same <= before {
		return a, b
	}
	return "…" + string(x[same-before:]), "…" + string(y[same-before:])
}

// same compares two values of one property.
func same(legacy, tenant fact) bool {
	switch legacy.form {
	case schemaComment: // the tool may put its own marker beside it
		return strings.Contains(tenant.value, legacy.value)
	case searchPath:
		return pathHolds(legacy.value, tenant.value)
	}
	return legacy.value == tenant.value
}

// pathHolds: the same schemas in the same order; extensions at least where the legacy found some.
func pathHolds(legacy, tenant string) bool {
	need, needsExtensions := cutExtensions(legacy)
	have, hasExtensions := cutExtensions(tenant)
	return need == have && (hasExtensions || !needsExtensions)
}

func cutExtensions(path string) (string, bool) {
	rest := strings.TrimSuffix(path, mark("extensions"))
	return strings.TrimSuffix(rest, ", "), rest != path
}

// allowedAddition: the tenant may have what does no harm: a comment that marks a schema as ours, and a fixed path, the tenant's own,
// on a function (never on a procedure: it could no longer commit).
func allowedAddition(o object, f fact) bool {
	switch f.form {
	case schemaComment:
		return true
	case searchPath:
		return o.kind == "function" && pathHolds(mark("public"), f.value)
	}
	return false
}

func diffRows(legacy, tenant map[string]rows) []string {
	var lines []string
	for name, want := range legacy {
		got, there := tenant[name]
		switch {
		case !there: // the relation itself is reported
		case want.tree != "" && legacy[want.tree].hash == tenant[want.tree].hash:
		case want.count != got.count && (want.fresh == "" || want.fresh != got.hash):
			lines = append(lines, fmt.Sprintf("rows of %s: legacy %d, tenant %d", name, want.count, got.count))
		case want.hash != got.hash && want.fresh != got.hash:
			lines = append(lines, fmt.Sprintf("rows of %s: %d on both sides, but their contents differ", name, want.count))
		}
	}
	return lines
}

// shown keeps a value on one line of bearable length.
func shown(value string) string {
	if value == "" {
		return "(none)"
	}
	value = strings.ReplaceAll(value, "\n", `\n`)
	const limit = 300
	if runes := []rune(value); len(runes) > limit {
		value = string(runes[:limit]) + "…"
	}
	return "«" + value + "»"
}
