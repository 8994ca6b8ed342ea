package lift

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tenantctl/internal/postgres/lexer"
)

// use is what a constant is there for.
type use int

const (
	unclear   use = iota
	asName        // of an object or a schema, or SQL that is run
	asData        // compared with data, stored, said
	asPath        // of schemas, in a search path
	asOutput      // handed to whoever asks: it stays what it was
	ambiguous     // for both
)

// and joins what is known of a constant that goes two ways. What is used as a name stays one where it is handed out, too.
func (u use) and(other use) use {
	switch {
	case u == unclear || u == other || (u == asOutput && other != unclear):
		return other
	case other == unclear || other == asOutput:
		return u
	}
	return ambiguous
}

// reader follows a constant to what becomes of it, through variables, arguments and results.
type reader struct {
	program program
	names   *names          // functions that aren't PostgreSQL's own are among them
	trigger bool            // arguments are a trigger's
	seen    map[string]bool // variables, parameters and routines on the way
}

// catalogWords are what an expression says that deals with names of schemas and objects.
var catalogWords = regexp.MustCompile(`\b(nspname|schemaname|schema_name|\w+_schema|current_schemas?|tg_table_schema|regclass|regnamespace|regproc|regprocedure|regtype|regconfig|search_path)\b`)

// catalogTypes make a name of a constant that is cast to them.
var catalogTypes = []string{"name", "regclass", "regnamespace", "regproc", "regprocedure", "regtype", "regconfig", "regdictionary", "regcollation", "regoper", "regoperator"} //nolint:gochecknoglobals // a constant list

// nameFunctions take names, or statements, as text.
var nameFunctions = regexp.MustCompile(`^(to_reg\w+|reg(class|namespace|proc|procedure|type)|nextval|currval|setval|quote_ident|parse_ident|pg_get_serial_sequence|has_\w+_privilege|pg_(total_)?relation_size|pg_table_size|pg_indexes_size|pg_get_viewdef|pg_relation_file\w+|pg_sequence_\w+|` +
	`query_to_xml\w*|table_to_xml\w*|schema_to_xml\w*|ts_stat|dblink\w*|crosstab\w*|connectby|tsvector_update_trigger|(to|plainto_to|phraseto_to|websearch_to)_?ts(vector|query)|plainto_tsquery|phraseto_tsquery|websearch_to_tsquery|ts_headline|ts_lexize|ts_debug)$`)

// throughFunctions give back what they are given, or a part of it.
var throughFunctions = regexp.MustCompile(`^(coalesce|nullif|concat|concat_ws|lower|upper|trim|btrim|ltrim|rtrim|replace|greatest|least|rpad|lpad|unnest|array_append|array_cat|string_to_array|array_to_string|split_part|substr|substring|left|right|regexp_replace|regexp_split_to_array)$`)

// of tells what the operand from lo to hi is there for.
func (r reader) of(c *code, lo, hi int) use {
	for c.symbol(hi+1, "::") {
		end := c.operandEnd(hi + 2)
		if c.routine == nil && !c.heading && c.is(end, "name") && c.is(lo-1, "default") {
			return asData // what new rows of a table say in a column of type name
		}
		if c.castsToName(hi+2, end) {
			return asName
		}
		if hi = end; c.at(end+1).Kind == lexer.Identifier && c.is(end, "character", "bit") {
			hi++ // character varying
		}
	}
	switch {
	case c.heading && c.is(lo-1, "to") && c.is(lo-3, "set"): // a setting, such as a text search configuration
		return asName
	case c.symbol(lo-1, "||") || c.symbol(hi+1, "||"):
		return r.chain(c, lo, hi)
	case c.listed(lo, hi):
		return r.inBrackets(c, lo, hi)
	case c.symbol(lo-1, ":=") || c.is(lo-1, "default") || (c.symbol(lo-1, "=") && (c.declare[lo] || c.assigns(lo-1))):
		return r.assigned(c, lo)
	case c.operator(lo-1) || c.is(lo-1, "like", "ilike"):
		at := lo - 2
		if c.is(at, "not") {
			at--
		}
		return r.compared(c, c.operandStart(at), at)
	case c.is(lo-1, "from") && c.is(lo-2, "distinct"): // a is [not] distinct from b
		at := lo - 4
		if c.is(at, "is") {
			at--
		}
		return r.compared(c, c.operandStart(at), at)
	case c.operator(hi + 1):
		return r.compared(c, hi+2, c.operandEnd(hi+2))
	case c.is(hi+1, "in", "like", "ilike"):
		return r.compared(c, hi+2, c.operandEnd(hi+2))
	case c.is(hi+1, "is") && c.is(hi+3, "from"):
		return r.compared(c, hi+4, c.operandEnd(hi+4))
	case c.is(hi+1, "is") && c.is(hi+4, "from"):
		return r.compared(c, hi+5, c.operandEnd(hi+5))
	}
	return r.governed(c, lo, hi)
}

// castsToName tells casts of which one, from lo to hi, makes a name of a constant: ::regclass, ::regclass::oid, ::regclass[].
func (c *code) castsToName(lo, hi int) bool {
	for i := lo; i <= hi; i++ {
		if typed := c.at(i); typed.Kind == lexer.Identifier && slices.Contains(catalogTypes, typed.Value()) {
			return true
		}
	}
	return false
}

// listed tells that a span fills its place within brackets, between commas or at an end, but in the list of a subquery.
func (c *code) listed(lo, hi int) bool {
	open := c.outer[lo]
	if open < 0 || c.is(open+1, "select", "with", "insert", "update", "delete") {
		return false
	}
	named := c.symbol(lo-1, ":=", "=>") && c.at(lo-2).Kind == lexer.Identifier
	return (named || c.symbol(lo-1, ",", "(", "[")) && c.symbol(hi+1, ",", ")", "]")
}

// assigns tells that the = at i stands behind a variable at the beginning of a PL/pgSQL statement.
func (c *code) assigns(i int) bool {
	start := c.operandStart(i - 1)
	return c.routine != nil && c.outer[i] < 0 && c.statement(i) == start && !c.is(start, "select", "update", "where", "and", "or", "set")
}

// chain looks at a || b || c as a whole, but for a dot behind the constant, which makes it a schema.
func (r reader) chain(c *code, lo, hi int) use {
	if c.symbol(hi+1, "||") && c.at(hi+2).Kind == lexer.String && strings.HasPrefix(strings.TrimLeft(c.at(hi+2).Value(), `"`), ".") {
		return asName
	}
	for c.symbol(hi+1, "||") {
		hi = c.operandEnd(hi + 2)
	}
	if before := c.at(lo - 2); c.symbol(lo-1, "||") && before.Kind == lexer.String && strings.Contains(lastWords(strings.ToLower(before.Value())), "search_path") {
		return asPath
	}
	for c.symbol(lo-1, "||") {
		lo = c.operandStart(lo - 2)
	}
	return r.of(c, lo, hi)
}

// inBrackets looks at an operand in parentheses, a list, an array, or an argument.
func (r reader) inBrackets(c *code, lo, hi int) use {
	open := c.outer[lo]
	before := open - 1
	closing := c.partner[open]
	if closing < 0 {
		return unclear
	}
	switch {
	case c.is(before, "in"):
		at := before - 1
		if c.is(at, "not") {
			at--
		}
		return r.compared(c, c.operandStart(at), at)
	case c.is(before, "any", "all", "some"):
		return r.compared(c, c.operandStart(before-2), before-2)
	case c.is(before, "values"):
		return r.stored(c, open, c.commas(open, lo))
	case c.symbol(open, "["):
		if c.is(before, "array") {
			return r.of(c, before, closing)
		}
		return asData // a subscript
	case c.at(before).Kind == lexer.Identifier && !c.is(before, "and", "or", "not", "when", "then", "else", "where", "select", "return", "on", "if", "execute", "by", "exists", "row", "as", "elsif", "while", "returning", "perform", "case", "set", "from"):
		return r.argument(c, open, lo, hi)
	case c.symbol(before, ",") && c.back(before, func(i int) bool { return c.is(i, "values") }) >= 0:
		return r.stored(c, open, c.commas(open, lo)) // a further row
	case c.symbol(lo-1, "(") && c.symbol(hi+1, ")"):
		return r.of(c, open, closing)
	}
	return unclear
}

// argument looks at what a function does with what it is given.
func (r reader) argument(c *code, open, lo, hi int) use {
	name := c.at(open - 1).Value()
	spans := c.arguments(open)
	index := slices.IndexFunc(spans, func(span [2]int) bool { return span[0] <= lo && hi <= span[1] })
	whole := func() use { return r.of(c, c.path(open-1), c.partner[open]) }
	switch {
	case c.symbol(lo-1, ":=", "=>"):
		if catalogWords.MatchString(c.at(lo-2).Value()) || c.at(lo-2).Value() == "schema" {
			return asName
		}
		return r.parameter(name, func(called *routine) int { return slices.Index(called.parameters, c.at(lo-2).Value()) })
	case name == "format" && index == 0:
		return whole()
	case name == "set_config" && index == 1:
		return asPath
	case name == "format":
		return r.formatted(c, open, index, whole)
	case nameFunctions.MatchString(name), r.names.takesName(name, len(spans), index):
		return asName
	case throughFunctions.MatchString(name):
		return whole()
	case r.trigger && len(r.program[name]) > 0:
		return r.triggerArgument(name, index)
	case len(r.program[name]) > 0:
		return r.parameter(name, func(*routine) int { return index })
	case r.names.calls(name):
		return unclear // an extension's, or the client's in another language
	}
	return asData
}

var formatPlace = regexp.MustCompile(`%(\d+\$)?-?\d*[sIL]|%%`)

// formatted looks at the place of format() that an argument fills.
func (r reader) formatted(c *code, open, index int, whole func() use) use {
	text := c.at(open + 1)
	if text.Kind != lexer.String {
		return unclear
	}
	value, found, next := text.Value(), unclear, 0
	for _, at := range formatPlace.FindAllStringSubmatchIndex(value, -1) {
		place := value[at[0]:at[1]]
		if place == "%%" {
			continue
		}
		next++
		if at[2] >= 0 {
			if _, err := fmt.Sscanf(value[at[2]:at[3]], "%d$", &next); err != nil {
				return unclear
			}
		}
		if next != index {
			continue
		}
		switch before := strings.ToLower(value[:at[0]]); {
		case strings.Contains(lastWords(before), "search_path"):
			if strings.HasSuffix(place, "I") {
				return ambiguous // a path of two schemas is no single name
			}
			found = found.and(asPath)
		case strings.HasSuffix(place, "I"), strings.HasPrefix(value[at[1]:], "."):
			found = found.and(asName)
		case catalogWords.MatchString(lastWords(before)):
			found = found.and(asName)
		case strings.HasSuffix(place, "L"):
			found = found.and(asData)
		default:
			found = found.and(whole())
		}
	}
	return found
}

// lastWords are the last words of a text, which say what a place is compared with.
func lastWords(text string) string {
	words := strings.Fields(text)
	return strings.Join(words[max(len(words)-3, 0):], " ")
}

// parameter looks at what the routines of a name do with a parameter.
func (r reader) parameter(name string, index func(*routine) int) use {
	found := unclear
	for _, called := range r.program[name] {
		i := index(called)
		if i < 0 || i >= len(called.parameters) || called.body == nil {
			continue
		}
		found = found.and(r.variable(called.body, called.parameters[i], fmt.Sprintf("$%d", i+1)))
	}
	return found
}

// triggerArgument looks at what a trigger's function does with TG_ARGV.
func (r reader) triggerArgument(name string, index int) use {
	found := unclear
	for _, called := range r.program[name] {
		if called.body != nil {
			found = found.and(r.argv(called.body, index))
		}
	}
	return found
}

func (r reader) argv(c *code, index int) use {
	found, read := unclear, false
	for i := range c.tokens {
		switch {
		case !c.is(i, "tg_argv"):
		case !c.symbol(i+1, "[") || c.at(i+2).Kind != lexer.Number:
			return unclear // any of them
		case c.at(i+2).Text == strconv.Itoa(index):
			read = true
			found = found.and(r.of(c, i, c.partner[i+1]))
		}
	}
	if !read {
		return asData
	}
	return found
}

// assigned looks at what becomes of a variable or parameter whose value stands at lo.
func (r reader) assigned(c *code, lo int) use {
	if c.routine == nil && !c.heading {
		return asData // the default of a column or a domain
	}
	if c.heading && c.outer[lo] >= 0 { // the default of a parameter
		spans := c.arguments(c.outer[lo])
		index := slices.IndexFunc(spans, func(span [2]int) bool { return span[0] <= lo && lo <= span[1] })
		return r.parameter(nameAfter(c.tokens, c.outer[lo]-1), func(*routine) int { return index })
	}
	return r.variable(c, c.at(c.statement(lo)).Value(), "")
}

// variable looks at every place where a variable is read.
func (r reader) variable(c *code, name, positional string) use {
	if c.routine == nil || (name == "" && positional == "") {
		return unclear
	}
	key := c.routine.name + "/" + name + positional
	if r.seen[key] {
		return unclear
	}
	r.seen[key] = true
	if c.holdsName(name) {
		return asName
	}
	found := unclear
	for i, token := range c.tokens {
		named := token.Kind == lexer.Identifier && token.Value() == name && !c.symbol(i-1, ".") && !c.symbol(i+1, ".")
		if !named && (positional == "" || token.Text != positional || token.Kind != lexer.Parameter) {
			continue
		}
		if c.symbol(i+1, ":=") || (c.symbol(i+1, "=") && c.assigns(i+1)) || (c.declare[i] && c.statement(i) == i) || c.is(i-1, "for", "foreach", "into") {
			continue
		}
		found = found.and(r.of(c, i, i))
	}
	return found
}

// holdsName tells a variable that is declared as the identity of an object, such as regclass: what it is given is a name, whatever is done with it.
func (c *code) holdsName(variable string) bool {
	for i, token := range c.tokens {
		if !c.declare[i] || token.Kind != lexer.Identifier || token.Value() != variable || c.statement(i) != i {
			continue
		}
		at := i + 1
		if c.is(at, "constant") {
			at++
		}
		if typed := c.at(at).Value(); strings.HasPrefix(typed, "reg") && slices.Contains(catalogTypes, typed) {
			return true
		}
	}
	return false
}

// compared looks at the other side of an operator.
func (r reader) compared(c *code, lo, hi int) use {
	if lo > hi || lo < 0 || (c.at(lo).Kind == lexer.String && !c.symbol(lo-1, "||") && !c.symbol(hi+1, "||")) || c.is(lo, "null", "true", "false") {
		return unclear // one constant says nothing of another
	}
	for c.symbol(lo-1, "||") { // tg_table_schema || '.' || tg_table_name
		lo = c.operandStart(lo - 2)
	}
	for c.symbol(hi+1, "||") {
		hi = c.operandEnd(hi + 2)
	}
	if catalogWords.MatchString(c.lower(lo, hi)) || r.fromCatalog(c, c.at(hi).Value()) || r.ofColumn(c, c.at(hi).Value()) {
		return asName
	}
	if lo == hi && c.routine != nil { // a variable that is a name elsewhere is compared as one
		if r.variable(c, c.at(lo).Value(), c.at(lo).Text) == asName {
			return asName
		}
	}
	return asData
}

// fromCatalog tells that a variable is filled from the catalog, or a column is another name for one of its columns.
func (r reader) fromCatalog(c *code, name string) bool {
	for i, token := range c.tokens {
		if token.Kind != lexer.Identifier || token.Value() != name {
			continue
		}
		from := -1
		switch {
		case c.is(i-1, "as"):
			from = i - 2
		case c.symbol(i-1, ")") || (c.at(i-1).Kind == lexer.Identifier && catalogWords.MatchString(c.lower(i-1, i-1))):
			from = i - 1
		}
		if from >= 0 && catalogWords.MatchString(c.lower(c.operandStart(from), from)) {
			return true
		}
		written := c.symbol(i+1, ":=") || c.is(i-1, "into", "for", "diagnostics") || (c.symbol(i-1, ",") && c.is(c.back(i, func(k int) bool { return c.is(k, "into", "select") }), "into"))
		if written && catalogWords.MatchString(c.lower(c.statement(i), c.statementEnd(i))) {
			return true
		}
	}
	return false
}

// governed looks for the word that begins the clause of an operand.
func (r reader) governed(c *code, lo, hi int) use {
	at := c.back(lo, func(i int) bool {
		return c.symbol(i, ";") || c.is(i, "execute", "do", "raise", "return", "select", "when", "then", "else", "values", "set", "perform", "returning", "where", "using", "into", "case", "by")
	})
	switch {
	case c.is(at, "do"), c.is(at, "execute") && at == lo-1:
		return asName
	case c.is(c.statement(lo), "raise"):
		if len(r.seen) > 0 {
			return unclear // what a variable is for doesn't show where it is told
		}
		return asData
	case c.is(at, "set", "perform", "values", "by"):
		return asData
	case c.is(at, "when", "case"):
		if begin := c.enclosingCase(lo); begin >= 0 && at == lo-1 && c.is(at, "when") {
			return r.cased(c, begin)
		}
		if at == lo-1 && c.is(at, "case") && c.is(hi+1, "when") { // case x when ...
			return r.compared(c, hi+2, c.operandEnd(hi+2))
		}
		return asData
	case c.is(at, "then", "else"):
		if begin := c.enclosingCase(lo); begin >= 0 && c.endOf(begin) >= 0 {
			return r.of(c, begin, c.endOf(begin))
		}
	case c.is(at, "return", "returning"):
		return r.output(c)
	case c.is(at, "select"):
		return r.selected(c, at, hi)
	}
	return unclear
}

// cased looks at what a CASE compares with its WHENs.
func (r reader) cased(c *code, begin int) use {
	if c.is(begin+1, "when") {
		return unclear
	}
	return r.compared(c, begin+1, c.operandEnd(begin+1))
}

// selected looks at where the list of a SELECT goes: into variables, or out.
func (r reader) selected(c *code, at, hi int) use {
	for i := hi + 1; i < len(c.tokens) && !c.symbol(i, ";"); i++ {
		if c.outer[i] != c.outer[at] {
			continue
		}
		if c.is(i, "into") {
			found := unclear
			for target := i + 1; ; target += 2 {
				found = found.and(r.variable(c, c.at(target).Value(), ""))
				if !c.symbol(target+1, ",") {
					return found
				}
			}
		}
	}
	open := c.outer[at]
	switch {
	case c.is(c.statement(at), "insert") && open == c.outer[c.statement(at)]:
		return r.stored(c, at, c.commas(at, hi))
	case c.is(c.statement(at), "insert"):
		return asData
	case open < 0:
		return r.output(c)
	case c.is(open-1, "from", "join", "lateral", "as", "exists") || c.symbol(open-1, ","):
		return unclear
	}
	if c.partner[open] < 0 {
		return unclear
	}
	return r.of(c, open, c.partner[open])
}

// output looks at what callers do with the result of the routine.
func (r reader) output(c *code) use {
	if c.routine != nil && c.returnsName() {
		return asName
	}
	if c.routine == nil || r.seen[c.routine.name+"()"] {
		return asOutput
	}
	r.seen[c.routine.name+"()"] = true
	found := asOutput
	for _, routines := range r.program {
		for _, other := range routines {
			if other.body == nil {
				continue
			}
			for i, token := range other.body.tokens {
				if token.Kind == lexer.Identifier && token.Value() == c.routine.name && other.body.symbol(i+1, "(") && other.body.partner[i+1] >= 0 {
					found = found.and(r.of(other.body, other.body.path(i), other.body.partner[i+1]))
				}
			}
		}
	}
	return found
}
