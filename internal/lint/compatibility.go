package lint

import (
	"slices"
	"strings"

	"tenantctl/internal/lint/parse"
)

func compatibilityTheme() Theme {
	return Theme{
		Title: "Compatibility",
		Intro: "While a rollout runs, services at the old and the new version work on tenants at the old and the new schema. What takes something from them comes in a later file, when nobody uses it any more.",
		Rules: []Rule{destroyRule(), renameRule(), requiredRule(), tightenRule(), loosenRule(), signatureRule()},
	}
}

func destroyRule() Rule {
	return Rule{
		ID: "R18", Name: "destroys-data", Severity: Error,
		What: "DROP of a column, table, schema, type or sequence, TRUNCATE, and CASCADE",
		Why:  "Running services still use it, and no way back brings the rows again.",
		Examples: []Example{
			{
				Bad:  "alter table customers drop column city;",
				Safe: []string{"-- lint:ignore R18 no service has read or written it since version 7, which all run\nalter table customers drop column city;"},
			},
			{
				Bad:  "drop table orders cascade;",
				Safe: []string{"-- lint:ignore R18 replaced by sales in version 7, nothing has read it since\ndrop table orders;"},
			},
		},
		check: checkDestroys,
	}
}

const contract = "first have all services stop using it; then drop it in a later file: -- lint:ignore R18 who stopped using it, and when"

func checkDestroys(s *site) {
	switch {
	case s.DropStmt != nil:
		s.dropsObjects()
	case s.TruncateStmt != nil:
		for _, node := range s.TruncateStmt.Relations {
			if r := node.Object(); !s.fresh(r) {
				s.report(s.Pos, r.Key(), words("a job of the service that deletes in batches, behind an archive"), "all rows of %s are gone, in every tenant", r.Key())
			}
		}
	}
	s.eachAlter(func(a alteration) {
		key := a.table.Key()
		if c := s.model.columnOf(key, a.Name); s.direction == Down && c != nil && c.version == s.file.Version {
			return // the way back of what this version added
		}
		s.report(a.pos, key, words(contract), "%s.%s is gone for services that still use it, and its values for ever", key, a.Name)
	}, "AT_DropColumn")
}

func (s *site) dropsObjects() {
	d := s.DropStmt
	kind := kindOf(d.Type)
	loses := kind == "table" || kind == "type" || kind == "sequence" || d.Type == "OBJECT_SCHEMA"
	cascades := d.Behavior == "DROP_CASCADE"
	for _, node := range d.Objects {
		r := node.Object()
		if kind == "table" && s.fresh(r) || s.makes(kind, r.Key()) || s.direction == Down && kind == "" {
			if cascades && s.direction == Up {
				s.report(s.Pos, r.Key(), words("name what has to go, without CASCADE"), "CASCADE drops whatever depends on %s, which differs between tenants", r.Key())
			}
			continue
		}
		switch {
		case loses:
			s.report(s.Pos, r.Key(), words(contract), "%s is gone for services that still use it, and what it holds for ever", r.Key())
		case cascades:
			s.report(s.Pos, r.Key(), words("name what has to go, without CASCADE"), "CASCADE drops whatever depends on %s, which differs between tenants", r.Key())
		}
	}
}

func renameRule() Rule {
	return Rule{
		ID: "R19", Name: "renames", Severity: Error,
		What: "RENAME of a table, column, view, type or enum value, and SET SCHEMA",
		Why:  "In that moment every running service that uses the old name fails.",
		Examples: []Example{
			{Bad: "alter table customers rename column city to town;"},
			{Bad: "alter table customers rename to clients;"},
		},
		check: func(s *site) {
			switch {
			case s.RenameStmt != nil:
				s.renames(s.RenameStmt)
			case s.AlterObjectSchemaStmt != nil && s.AlterObjectSchemaStmt.Relation != nil && !s.fresh(*s.AlterObjectSchemaStmt.Relation):
				r := s.AlterObjectSchemaStmt.Relation
				s.report(s.Pos, r.Key(), words("leave it in the tenant's schema"), "%s leaves the schema in which services look for it", r.Key())
			case s.AlterEnumStmt != nil && s.AlterEnumStmt.OldValue != "":
				r := parse.Qualified(s.AlterEnumStmt.Type)
				if !s.makes("type", r.Key()) {
					s.report(s.Pos, r.Key(), sql("alter type "+relation(r)+" add value "+quote(s.AlterEnumStmt.NewValue)+";").with("write the new value, change older rows in batches; the old value stays"),
						"services that know %s fail on %s", s.AlterEnumStmt.OldValue, s.AlterEnumStmt.NewValue)
				}
			}
		},
	}
}

// quote writes a text constant.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (s *site) renames(r *parse.RenameStmt) {
	if r.Relation == nil {
		if slices.Contains([]string{"OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_SCHEMA"}, r.Type) && !s.makes("type", r.Object.Object().Key()) && !s.makes("type", listName(r.Object)) {
			s.report(s.Pos, "", words("leave the name, or make a new one beside it"), "services that use the old name fail")
		}
		return
	}
	key := r.Relation.Key()
	if s.fresh(*r.Relation) || s.makes("view", key) || s.direction == Down {
		return
	}
	switch r.Type {
	case "OBJECT_TABLE":
		s.report(s.Pos, key, sql("create view "+ident(r.NewName)+" as select * from "+relation(*r.Relation)+";").
			with("services read and write through the view; the table takes the name when no running version uses the old one"), "services that use %s fail", key)
	case "OBJECT_COLUMN", "OBJECT_ATTRIBUTE":
		safe := words("add %s beside it, write both, read the new one, drop %s when no running version uses it", r.NewName, r.SubName)
		if c := s.model.columnOf(key, r.SubName); c != nil && c.kind != nil {
			safe.Files = []string{"alter table " + relation(*r.Relation) + " add column " + ident(r.NewName) + " " + c.kind.String() + ";"}
		}
		s.report(s.Pos, key, safe, "services that use %s.%s fail", key, r.SubName)
	case "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE":
		s.report(s.Pos, key, words("make one of the new name beside it, and drop the old one when no running version uses it"), "services that use %s fail", key)
	}
}

// listName is the name in a node that holds one as a list.
func listName(n parse.Node) string { return n.Object().Key() }

func requiredRule() Rule {
	return Rule{
		ID: "R20", Name: "required-column", Severity: Error,
		What: "ADD COLUMN NOT NULL without a default",
		Why:  "It fails on the first tenant that has rows, and services at the old version, which don't know the column, can't insert any more.",
		Examples: []Example{
			{Bad: "alter table orders add column currency text not null;", Safe: []string{"alter table orders add column currency text not null default 'EUR';"}},
		},
		check: func(s *site) {
			s.eachAlter(func(a alteration) {
				parts := a.column(s.sql)
				_, given := parts.given()
				_, serial := serials(typeOf(parts))
				if parts.column == nil || given || serial || parts.has("CONSTR_IDENTITY") || parts.has("CONSTR_GENERATED") {
					return
				}
				if parts.has("CONSTR_NOTNULL") || parts.has("CONSTR_PRIMARY") {
					files := append([]string{a.statement(parts.without("CONSTR_NOTNULL", "CONSTR_PRIMARY"))}, notNullSteps(a, parts.column.Name)...)
					s.report(a.pos, a.table.Key(), sql(files...).with("or with a constant as default; between the first two files the services write the column and a job fills older rows in batches"),
						"%s.%s has no value for the rows that are there, nor for those of services that don't know it", a.table.Key(), parts.column.Name)
				}
			}, "AT_AddColumn")
		},
	}
}

func typeOf(p columnParts) string {
	if p.column == nil {
		return ""
	}
	return p.column.Type.Base()
}

func tightenRule() Rule {
	return Rule{
		ID: "R21", Name: "tightened-constraint", Severity: Info,
		What: "a new constraint on a table that services at the old version write to, NOT VALID included",
		Why:  "New rows have to keep it from that moment on, whatever version wrote them.",
		Examples: []Example{{
			Bad:  "alter table orders add constraint orders_total_check check (total >= 0) not valid;",
			Safe: []string{"-- lint:ignore R21 core has refused negative totals since version 3, which all run\nalter table orders add constraint orders_total_check check (total >= 0) not valid;"},
		}},
		check: func(s *site) {
			s.eachAlter(func(a alteration) {
				c := a.Def.Constraint
				if s.direction == Up && c != nil && c.Index == "" && !s.addedHere(a.table.Key(), c) {
					s.report(a.pos, a.table.Key(), words("let it wait until all running services keep it, and say so: -- lint:ignore R21 since which version"),
						"services that don't keep it yet fail to write %s", a.table.Key())
				}
			}, "AT_AddConstraint")
		},
	}
}

// addedHere tells that a constraint is about columns that this very version added, which older services don't write.
func (s *site) addedHere(key string, c *parse.Constraint) bool {
	columns := append(parse.Names(c.ForeignKeys), parse.Names(c.Keys)...)
	c.Expr.Walk(func(kind string, f parse.Fields) bool {
		if kind == "ColumnRef" {
			columns = append(columns, f.Names("fields")...)
		}
		return true
	})
	for _, name := range columns {
		if old := s.model.columnOf(key, name); old == nil || old.version != s.file.Version {
			return false
		}
	}
	return len(columns) > 0
}

func loosenRule() Rule {
	return Rule{
		ID: "R22", Name: "loosened-column", Severity: Warning,
		What: "DROP NOT NULL and DROP DEFAULT",
		Why:  "Services at the old version read a null that they never met, or leave a value out that nothing supplies any more.",
		Examples: []Example{{
			Bad:  "alter table customers alter column name drop not null;",
			Safe: []string{"-- lint:ignore R22 core has read a null as \"unnamed\" since version 3, which all run\nalter table customers alter column name drop not null;"},
		}},
		check: func(s *site) {
			s.eachAlter(func(a alteration) {
				if s.direction == Down {
					return
				}
				key := a.table.Key()
				if a.Subtype == "AT_DropNotNull" {
					s.report(a.pos, key, words("let it wait until all running services read nulls, and say so: -- lint:ignore R22 since which version"), "services may read a null in %s.%s", key, a.Name)
				}
				if a.Subtype == "AT_ColumnDefault" && a.Def == (parse.Node{}) && isDrop(a.text) {
					s.report(a.pos, key, words("let it wait until all running services supply a value, and say so: -- lint:ignore R22 since which version"),
						"services that leave %s.%s out get no value any more", key, a.Name)
				}
			}, "AT_DropNotNull", "AT_ColumnDefault")
		},
	}
}

// isDrop tells ALTER COLUMN c DROP DEFAULT from SET DEFAULT.
func isDrop(text string) bool {
	tokens := significant(text)
	return len(tokens) >= 2 && tokens[len(tokens)-1].Is("default") && tokens[len(tokens)-2].Is("drop")
}

func signatureRule() Rule {
	price := "create function price(bigint) returns numeric language sql as $$ select total from orders where id = $1 $$;"
	return Rule{
		ID: "R23", Name: "signature-change", Severity: Error,
		What: "DROP of a function, procedure or view, and a second function of the same name",
		Why:  "Services at the old version call it as it was, and two of a name make a call ambiguous.",
		Examples: []Example{
			{
				Given: append(shop(), price),
				Bad:   "drop function price(bigint);\ncreate function price(bigint, text) returns numeric language sql as $$ select total from orders where id = $1 and status = $2 $$;",
				Safe:  []string{"create function price_v2(bigint, text) returns numeric language sql as $$ select total from orders where id = $1 and status = $2 $$;"},
			},
		},
		check: func(s *site) {
			switch {
			case s.DropStmt != nil && s.direction == Up:
				s.dropsCallable()
			case s.CreateFunctionStmt != nil && s.direction == Up:
				f := s.CreateFunctionStmt
				key := parse.Qualified(f.Name).Key()
				known := s.model.routines[key]
				if len(known) > 0 && !slices.Contains(known, f.Signature()) {
					s.reportAs(Warning, s.Pos, key, words("give it another name, such as %s_v2, let the services change over, then drop the old one", lastPart(key)),
						"%s(%s) stands beside %s(%s), and calls may mean either", key, f.Signature(), key, known[0])
				}
			}
		},
	}
}

func (s *site) dropsCallable() {
	kind := kindOf(s.DropStmt.Type)
	if kind != "routine" && kind != "view" {
		return
	}
	for _, node := range s.DropStmt.Objects {
		key := node.Object().Key()
		made := key
		if kind == "routine" {
			made += "(" + node.Arguments() + ")"
		}
		if !s.makes(kind, made) {
			s.report(s.Pos, key, words("make one of a new name, such as %s_v2, let the services change over, then drop the old one: -- lint:ignore R23 who stopped using it, and when", lastPart(key)),
				"services that use %s fail", key)
		}
	}
}
