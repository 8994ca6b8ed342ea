package drift

import (
	"fmt"
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// cure is what puts one difference right: statements that run one by one, by the role that owns the object.
type cure struct {
	difference Difference
	role       string // "" is the administrator
	statements []string
	// building is the index that the statements build outside a transaction. Where that fails, what it left is dropped.
	building, on string
	undo         string // runs where a later statement fails
}

// The reasons why a difference is left.
const (
	leftExtra   = "nothing extra is ever dropped: drop it by hand, or give it a file"
	leftChanged = "somebody changed it: change it back by hand, or give the change a file"
	leftRows    = "rows may be gone with it: look into an archive before it is made anew"
	leftByHand  = "it isn't certain how to make it: make it by hand, as the stream's file does"
	leftDirty   = "its file didn't end: look at that first"
	leftPart    = "it belongs to a partitioned table: make it by hand there"
)

// plan says how a difference is put right, or why it is left.
func (r *reference) plan(d Difference, schema string) (c cure, left string) {
	key := id{d.Kind, d.Name}
	want, known := r.compare[key]
	c = cure{difference: d, role: want.Owner}
	switch {
	case d.What == Extra:
		return c, leftExtra
	case !known:
		return c, leftByHand
	case d.What == Changed && d.Fact == factOwner:
		return r.giveBack(c, want, schema)
	case d.What == Changed && d.Fact == factValidity:
		return r.validate(c, want, schema)
	case d.What == Changed:
		return c, leftChanged
	}
	c.statements = []string{}
	text := func(fact string) string { return render(r.raw[key].Facts[fact], r.name, schema) }
	switch d.Kind {
	case "index":
		return c.index(want, text("definition"))
	case "constraint":
		return r.constraint(c, want, schema, text)
	case "function", "procedure":
		c.statements = append(c.statements, text("definition"))
	case "view":
		options := ""
		if want.Facts["options"] != "" {
			options = " with (" + want.Facts["options"] + ")"
		}
		c.statements = append(c.statements, "create view "+postgres.Ident(schema, want.Name)+options+" as "+text("definition"))
	case "trigger":
		if want.Facts["enabled"] != "" {
			return c, leftByHand
		}
		c.statements = append(c.statements, text("definition"))
	case "table", "column", "sequence", "materialized view":
		return c, leftRows
	default:
		return c, leftByHand
	}
	if comment := want.Facts["comment"]; comment != "" {
		c.statements = append(c.statements, "comment on "+r.identity(want, schema)+" is "+postgres.Literal(text("comment")))
	}
	return c, ""
}

// identity names an object as ALTER and COMMENT do.
func (r *reference) identity(o object, schema string) string {
	switch o.Kind {
	case "function", "procedure", "aggregate", "collation", "operator":
		return o.Kind + " " + postgres.Ident(schema) + "." + strings.ReplaceAll(o.Name, own, postgres.Ident(schema))
	case "trigger":
		return fmt.Sprintf("trigger %s on %s", lastName(o.Name), postgres.Ident(schema, o.Parent))
	}
	return o.Kind + " " + postgres.Ident(schema, o.Name)
}

// lastName is the second of two names, quoted as it was.
func lastName(qualified string) string {
	name := ""
	for token := range lexer.Tokens(qualified) {
		name = token.Text
	}
	return name
}

// giveBack returns an object to its owner.
func (r *reference) giveBack(c cure, want object, schema string) (cure, string) {
	switch want.Kind {
	case "table", "view", "materialized view", "sequence", "foreign table", "function", "procedure", "aggregate", "type", "domain":
		c.role = ""
		c.statements = []string{"alter " + r.identity(want, schema) + " owner to " + postgres.Ident(want.Owner)}
		return c, ""
	}
	return c, leftByHand
}

// validate makes an index or a constraint hold for all rows.
func (r *reference) validate(c cure, want object, schema string) (cure, string) {
	switch {
	case want.Kind == "index" && c.difference.Want == "" && want.Facts["partitioned"] == "":
		c.building, c.on = want.Name, want.Parent
		c.statements = []string{"reindex index concurrently " + postgres.Ident(schema, want.Name)}
		return c, ""
	case want.Kind == "constraint" && c.difference.Have == "not validated" && want.Facts["type"] != "check of a domain":
		c.statements = []string{fmt.Sprintf("alter table %s validate constraint %s", postgres.Ident(schema, want.Parent), lastName(want.Name))}
		return c, ""
	case want.Facts["partitioned"] != "":
		return c, leftPart
	}
	return c, leftByHand
}

// index builds an index without keeping writers waiting.
func (c cure) index(want object, definition string) (cure, string) {
	if want.Facts["partitioned"] != "" || want.Facts["of partition"] != "" {
		return c, leftPart
	}
	c.building, c.on = want.Name, want.Parent
	c.statements = []string{concurrently(definition)}
	return c, ""
}

// concurrently turns the server's words for an index into those that build it beside its writers.
func concurrently(definition string) string {
	head, rest, _ := strings.Cut(definition, " INDEX ")
	return head + " INDEX CONCURRENTLY " + rest
}

// constraint adds a constraint, at first for new rows only, so that writers wait for moments. Rows that break it keep it from
// being there at all.
func (r *reference) constraint(c cure, want object, schema string, text func(string) string) (cure, string) {
	table, name := postgres.Ident(schema, want.Parent), lastName(want.Name)
	parent := r.compare[id{"table", want.Parent}]
	add := fmt.Sprintf("alter table %s add constraint %s ", table, name)
	switch kind := want.Facts["type"]; {
	case want.Facts["inherited"] != "" || parent.Facts["partitioned by"] != "" || parent.Facts["partition"] != "":
		return c, leftPart
	case kind == "check" || kind == "foreign key":
		c.statements = []string{add + text("definition") + " not valid", fmt.Sprintf("alter table %s validate constraint %s", table, name)}
		c.undo = fmt.Sprintf("alter table %s drop constraint if exists %s", table, name)
		return c, ""
	case kind == "primary key" || kind == "unique":
		c.building, c.on = unquoted(name), want.Parent
		c.statements = []string{concurrently(text(factIndex)), add + kind + " using index " + name + deferral(text("definition"))}
		c.undo = "drop index concurrently if exists " + postgres.Ident(schema) + "." + name
		return c, ""
	}
	return c, leftByHand
}

func unquoted(name string) string {
	for token := range lexer.Tokens(name) {
		return token.Value()
	}
	return name
}

// deferral is how a constraint's definition ends that may be checked later.
func deferral(definition string) string {
	if i := strings.LastIndex(definition, " DEFERRABLE"); i > 0 {
		return definition[i:]
	}
	return ""
}
