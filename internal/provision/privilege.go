package provision

import (
	"maps"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
)

// privileges are who may do what with one thing, by role; "" is PUBLIC.
type privileges map[string]map[string]bool

func (p privileges) add(role string, may ...string) {
	if p[role] == nil {
		p[role] = map[string]bool{}
	}
	for _, privilege := range may {
		p[role][privilege] = true
	}
}

// privilegesOf takes what was granted to others than those named, who own the thing.
func privilegesOf(grants []grant, owners ...string) privileges {
	p := privileges{}
	for _, g := range grants {
		if !slices.Contains(owners, g.To) {
			p.add(g.To, g.May)
		}
	}
	return p
}

func (p privileges) minus(other privileges) privileges {
	rest := privileges{}
	for role, all := range p {
		for privilege := range all {
			if !other[role][privilege] {
				rest.add(role, privilege)
			}
		}
	}
	return rest
}

// privilegeOrder is the order in which people write them.
const privilegeOrder = "USAGE CREATE SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER MAINTAIN EXECUTE"

func sortedPrivileges(set map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(set), func(a, b string) int {
		return strings.Index(privilegeOrder, a) - strings.Index(privilegeOrder, b)
	})
}

// statements grants or revokes on one thing of a class, a statement for each role.
func (p privileges) statements(verb, class, identity string) []string {
	var sql []string
	for _, role := range slices.Sorted(maps.Keys(p)) {
		sql = append(sql, privilegeStatement(verb, class, sortedPrivileges(p[role]), []string{identity}, role))
	}
	return sql
}

func privilegeStatement(verb, class string, may, identities []string, role string) string {
	who := "public"
	if role != "" {
		who = postgres.Ident(role)
	}
	what := strings.ToLower(strings.Join(may, ", ")) + " on " + class + " " + strings.Join(identities, ", ")
	if verb == "revoke" {
		return "revoke " + what + " from " + who + " cascade"
	}
	return "grant " + what + " to " + who
}

// wholesale collects grants on many things and says those that are alike in one statement.
type wholesale struct {
	order []string
	lots  map[string]*lot
}

type lot struct {
	verb, class, role string
	may               []string
	identities        []string
}

func (w *wholesale) add(verb, class, identity string, p privileges) {
	for _, role := range slices.Sorted(maps.Keys(p)) {
		may := sortedPrivileges(p[role])
		key := verb + " " + class + " " + strings.Join(may, ",") + " " + role
		if w.lots == nil {
			w.lots = map[string]*lot{}
		}
		if w.lots[key] == nil {
			w.lots[key] = &lot{verb: verb, class: class, role: role, may: may}
			w.order = append(w.order, key)
		}
		w.lots[key].identities = append(w.lots[key].identities, identity)
	}
}

func (w *wholesale) statements() []string {
	sql := make([]string, 0, len(w.order))
	for _, key := range w.order {
		l := w.lots[key]
		sql = append(sql, privilegeStatement(l.verb, l.class, l.may, l.identities, l.role))
	}
	return sql
}
