package compare

import (
	"regexp"
	"strings"
)

// extensions is the schema that holds a shared instance's extensions.
const extensions = "ext"

// role says which of the two databases a name was read from.
type role int

const (
	legacy role = iota
	tenant
)

// names knows the schemas of one database and what is in them, and puts every reference into one form for both sides:
// ‹public›.orders on the legacy and for tenant_x.orders on the instance, ‹extensions›.citext for public.citext and ext.citext.
type names struct {
	role    role
	schemas map[string]string          // schema here -> schema of the legacy
	old     map[string]bool            // the legacy's names of them
	own     map[string]map[string]bool // legacy schema -> its own objects' names
	foreign map[string]map[string]bool // schema here -> names that extensions own
	ownName map[string]bool            // names of own objects in any schema
	extName map[string]bool            // names of extensions' objects in any schema
}

func newNames(role role, schemas map[string]string) *names {
	n := &names{
		role: role, schemas: schemas, old: map[string]bool{}, own: map[string]map[string]bool{}, foreign: map[string]map[string]bool{},
		ownName: map[string]bool{}, extName: map[string]bool{},
	}
	for _, canonical := range schemas {
		n.old[canonical] = true
		n.own[canonical] = map[string]bool{}
	}
	return n
}

// add notes one object of the database.
func (n *names) add(schema, name string, ofExtension bool) {
	if ofExtension {
		if n.foreign[schema] == nil {
			n.foreign[schema] = map[string]bool{}
		}
		n.foreign[schema][name] = true
		n.extName[name] = true
		return
	}
	if canonical, known := n.schemas[schema]; known {
		n.own[canonical][name] = true
		n.ownName[name] = true
	}
}

// schema is the common form of a schema that stands alone.
func (n *names) schema(name string) string {
	if canonical, known := n.schemas[name]; known {
		return mark(canonical)
	}
	return name
}

func mark(name string) string  { return "‹" + name + "›" }
func maybe(name string) string { return "‹" + name + "?›" }

// qualifier is the common form of the schema in schema.name, and whether it is one of those that move.
// A reference to something that doesn't exist may have been renamed or not: either does no harm.
func (n *names) qualifier(schema, name string, lenient bool) (string, bool) {
	canonical, known := n.schemas[schema]
	old := n.old[schema] || len(n.foreign[schema]) > 0
	switch {
	case lenient && (known || old || n.role == tenant && schema == extensions):
		if n.extName[name] {
			canonical = "extensions"
		} else if !known {
			canonical = schema
		}
		return maybe(canonical), true
	case n.extName[name] && n.ownName[name] && (known || len(n.foreign[schema]) > 0):
		return "‹own or extension›", true
	case n.foreign[schema][name] && (n.role == legacy || schema == extensions):
		return mark("extensions"), true
	case known && (n.own[canonical][name] || name == placeholder):
		return mark(canonical), true
	case known:
		return maybe(canonical), true
	case n.role == tenant && n.old[schema] && !n.own[schema][name] && !n.extName[name] && name != placeholder:
		return maybe(schema), true
	}
	return "", false
}

// placeholder stands for a name that format() fills in: its schema must have been renamed.
const placeholder = "%I"

// form says how a catalog text is to be read.
type form string

const (
	plain           form = "plain" // compared as it is
	sql             form = "sql"   // an expression or definition that PostgreSQL printed
	view            form = "view"  // the same, where a constant 'public' may have been a schema or not
	body            form = "body"  // the source of a function
	searchPath      form = "path"  // a search path
	schemaComment   form = "schema comment"
	extensionSchema form = "extension schema"
)

// constantOnly is a default that is nothing but a text: data, not a reference.
var constantOnly = regexp.MustCompile(`^E?'(?:[^'\\]|''|\\.)*'::(text|character varying|character|name|bpchar|json|jsonb)(\(\d+\))?$`)

// normalize puts a text into the form that both sides have in common.
func (n *names) normalize(form form, value string) string {
	switch form {
	case sql:
		if constantOnly.MatchString(value) {
			return value
		}
		return n.rewrite(value, false, false)
	case view:
		return n.rewrite(value, true, false)
	case body:
		return n.rewrite(n.setPaths(value), true, false)
	case searchPath:
		return strings.Join(n.path(value), ", ")
	case extensionSchema:
		if n.role == legacy && value != "pg_catalog" {
			return extensions
		}
	}
	return value
}

// setPath and configuredPath are search paths that a body sets, by a statement or by a function.
var (
	setPath        = regexp.MustCompile(`(?i)(\bsearch_path\s*(?:=|to)\s*)((?:'[^']*'|"[^"]*"|[\w$]+)(?:\s*,\s*(?:'[^']*'|"[^"]*"|[\w$]+))*)`)
	configuredPath = regexp.MustCompile(`(?i)(set_config\(\s*'search_path'\s*,\s*)'([^']*)'`)
)

// setPaths puts the search paths that a body sets into the common form. Extensions may be added to them.
func (n *names) setPaths(body string) string {
	for _, pattern := range []*regexp.Regexp{setPath, configuredPath} {
		body = pattern.ReplaceAllStringFunc(body, func(found string) string {
			part := pattern.FindStringSubmatch(found)
			list, _ := cutExtensions(strings.Join(n.path(strings.ReplaceAll(part[2], "'", `"`)), ", "))
			return part[1] + list
		})
	}
	return body
}

// rewrite replaces the schemas of all references. anyConstant: a constant that is a schema's bare name is the same under either name.
func (n *names) rewrite(s string, anyConstant, lenient bool) string {
	list := tokens(s)
	aliases := n.aliases(list)
	var b strings.Builder
	for i := 0; i < len(list); i++ {
		t := list[i]
		switch t.kind {
		case comment:
			b.WriteString(t.open + n.rewrite(t.value, anyConstant, true) + t.end)
		case text:
			b.WriteString(t.open + n.constant(t.value, anyConstant, lenient || isData(list[i+1:]) || isProse(list, i)) + t.end)
		case word, quoted:
			b.WriteString(n.reference(list, i, lenient, aliases))
		default:
			b.WriteString(t.raw)
		}
	}
	return b.String()
}

// aliases are the legacy's schemas whose names stand in a text without a dot behind them: what has one may be a table, an alias or a
// variable just as well, so either form will do, and the application's answers must tell.
func (n *names) aliases(list []token) map[string]bool {
	found := map[string]bool{}
	for i, t := range list {
		if (t.kind == word || t.kind == quoted) && n.old[t.value] {
			if next := neighbor(list, i, +1); next < 0 || list[next].raw != "." {
				found[t.value] = true
			}
		}
	}
	return found
}

// isData: PostgreSQL printed the constant before as a text that nothing turns into a reference: either form will do.
func isData(rest []token) bool {
	var b strings.Builder
	for _, t := range rest[:min(len(rest), 12)] {
		b.WriteString(t.raw)
	}
	return strings.HasPrefix(b.String(), "::text") && !strings.HasPrefix(b.String(), "::text)::reg")
}

// isProse: the constant is compared with something, or is a sentence that begins as no statement does. Either form will do.
func isProse(list []token, i int) bool {
	if before := neighbor(list, i, -1); before >= 0 && (list[before].raw == "=" || list[before].raw == "<>") {
		return true
	}
	first, rest, sentence := strings.Cut(strings.TrimSpace(list[i].value), " ")
	return sentence && !statementWords[strings.ToLower(first)] && !strings.HasPrefix(first, "(") && !strings.Contains(rest, ";")
}

var statementWords = map[string]bool{
	"select": true, "insert": true, "update": true, "delete": true, "with": true, "from": true, "join": true, "into": true, "where": true, "and": true,
	"create": true, "alter": true, "drop": true, "truncate": true, "lock": true, "refresh": true, "do": true, "perform": true, "begin": true,
}

func (n *names) constant(value string, anyConstant, lenient bool) string {
	if anyConstant {
		if canonical, known := n.schemas[value]; known {
			return maybe(canonical)
		}
		if n.role == tenant && n.old[value] {
			return maybe(value)
		}
	}
	return n.rewrite(value, anyConstant, lenient)
}

// reference is the common form of the identifier at i: its schema's where it is one, itself otherwise.
func (n *names) reference(list []token, i int, lenient bool, aliases map[string]bool) string {
	t := list[i]
	if before := neighbor(list, i, -1); before >= 0 && list[before].raw == "." {
		return t.raw
	}
	dot := neighbor(list, i, +1)
	if dot < 0 || list[dot].raw != "." {
		return t.raw
	}
	lenient = lenient || aliases[t.value] || aliases[n.schemas[t.value]]
	replaced, moves := n.qualifier(t.value, nameAfter(list, dot), lenient)
	if !moves {
		return t.raw
	}
	return replaced
}

// neighbor is the next token before or after i that is neither white space nor a comment, or -1.
func neighbor(list []token, i, step int) int {
	for i += step; i >= 0 && i < len(list); i += step {
		if !list[i].blank && list[i].kind != comment {
			return i
		}
	}
	return -1
}

const operatorCharacters = "+-*/<>=~!@#%^&|`?"

// nameAfter reads the name behind a dot: an identifier, an operator, or a place that format() fills.
func nameAfter(list []token, dot int) string {
	first := neighbor(list, dot, +1)
	if first < 0 {
		return ""
	}
	if list[first].kind == word || list[first].kind == quoted {
		return list[first].value
	}
	if list[first].raw == "%" && first+1 < len(list) && list[first+1].kind == word && strings.ContainsAny(list[first+1].raw[:1], "ILs") {
		return placeholder
	}
	var operator strings.Builder
	for ; first < len(list) && list[first].kind == other && strings.Contains(operatorCharacters, list[first].raw); first++ {
		operator.WriteString(list[first].raw)
	}
	return operator.String()
}

// path is a search path in the common form. Where a legacy schema held extensions, they are looked for behind it.
func (n *names) path(value string) []string {
	var list []string
	extend := false
	for _, t := range tokens(value) {
		if t.kind != word && t.kind != quoted || t.value == "$user" {
			continue
		}
		held := len(n.foreign[t.value]) > 0
		switch _, known := n.schemas[t.value]; {
		case known:
			list = append(list, n.schema(t.value))
			extend = extend || n.role == legacy && held
		case n.role == legacy && held, n.role == tenant && t.value == extensions:
			extend = true
		default:
			list = append(list, t.value)
		}
	}
	if extend {
		list = append(list, mark("extensions"))
	}
	return list
}
