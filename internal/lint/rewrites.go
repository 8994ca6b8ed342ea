package lint

import (
	"slices"
	"strings"

	"tenantctl/internal/lint/parse"
)

func rewriteTheme() Theme {
	return Theme{
		Title: "Rewrites and scans",
		Intro: "Statements that read or write all rows of a table while clients wait. The safe way takes the lock for a moment, and does the work without it.",
		Rules: []Rule{
			typeRule(), columnRule(), notNullRule(), foreignKeyRule(), checkRule(), validateRule(), uniqueRule(), excludeRule(), domainRule(), backfillRule(),
		},
	}
}

func typeRule() Rule {
	return Rule{
		ID: "R4", Name: "column-type-change", Severity: Error, Sized: true,
		What: "ALTER COLUMN TYPE, unless only a length or precision grows or varchar becomes text",
		Why:  "All rows are written anew behind an exclusive lock, and services that run meanwhile expect the old type.",
		Examples: []Example{{
			Bad:  "alter table orders alter column total type bigint;",
			Safe: []string{"alter table orders add column total_new bigint;"},
		}},
		check: func(s *site) {
			s.eachAlter(func(a alteration) {
				key, def := a.table.Key(), a.Def.ColumnDef
				kind := s.typeChange(a)
				if def == nil || kind == binary {
					return
				}
				safe := sql(a.statement("add column "+ident(a.Name+"_new")+" "+def.Type.String())).
					with("let the services write both columns, fill %[1]s_new of older rows in batches, read it, and drop %[1]s when no running version uses it", a.Name)
				if kind == unknown {
					s.reportAs(Warning, a.pos, key, safe, "no earlier file tells the type that %s.%s has: unless it only grows, all rows are written anew", key, a.Name)
					return
				}
				s.report(a.pos, key, safe, "%s writes all of %s anew", spelled(s.model.columnOf(key, a.Name), a.Name, def.Type), key)
			}, "AT_AlterColumnType")
		},
	}
}

func spelled(old *column, name string, to *parse.TypeName) string {
	if old == nil || old.kind == nil {
		return name + " to " + to.String()
	}
	return name + " from " + old.kind.String() + " to " + to.String()
}

func columnRule() Rule {
	return Rule{
		ID: "R5", Name: "column-rewrite", Severity: Error, Sized: true,
		What: "ADD COLUMN with a default that differs by row, as serial or identity, or generated and stored",
		Why:  "Every row needs a value of its own, so all rows are written anew behind an exclusive lock. Constants and now() cost nothing.",
		Examples: []Example{
			{Bad: "alter table orders add column token uuid default gen_random_uuid();"},
			{Bad: "alter table orders add column number bigserial;"},
			{Bad: "alter table customers add column loud text generated always as (upper(name)) stored;", Safe: []string{"alter table customers add column loud text;"}},
		},
		check: func(s *site) {
			s.eachAlter(func(a alteration) {
				if parts := a.column(s.sql); parts.column != nil {
					s.addColumn(a, parts)
				}
			}, "AT_AddColumn")
		},
	}
}

func (s *site) addColumn(a alteration, parts columnParts) {
	key, name := a.table.Key(), parts.column.Name
	kind, serial := serials(parts.column.Type.Base())
	switch {
	case serial, parts.has("CONSTR_IDENTITY"):
		if !serial {
			kind = parts.column.Type.String()
		}
		sequence := ident(nameOf(a.table.Name, []string{name}, "seq"))
		s.report(a.pos, key, sql("create sequence "+sequence+";\n"+a.statement("add column "+ident(name)+" "+kind)+"\n"+
			a.statement("alter column "+ident(name)+" set default nextval('"+sequence+"')")+"\nalter sequence "+sequence+" owned by "+relation(a.table)+"."+ident(name)+";").
			with("fill older rows in batches by a job"), "%s.%s numbers all rows of %s, which writes them anew", key, name, key)
	case parts.has("CONSTR_GENERATED"):
		s.report(a.pos, key, sql(a.statement(parts.without("CONSTR_GENERATED", "CONSTR_NOTNULL"))).with("a plain column that the service or a trigger fills, older rows in batches by a job"),
			"the generated %s.%s is computed for all rows, which are written anew", key, name)
	default:
		given, found := parts.given()
		if !found {
			return
		}
		judged, by := volatilityOf(given)
		if judged == steady {
			return
		}
		safe := sql(a.statement(parts.without("CONSTR_DEFAULT", "CONSTR_NOTNULL")) + "\n" + a.statement("alter column "+ident(name)+" set "+parts.text("CONSTR_DEFAULT"))).
			with("fill older rows in batches by a job; NOT NULL comes after that, as R6 says")
		if judged == unsure {
			s.reportAs(Warning, a.pos, key, safe, "if %s() is volatile, all rows of %s are written anew", by, key)
			return
		}
		s.report(a.pos, key, safe, "%s() gives each row of %s another value, so all are written anew", by, key)
	}
}

// text is the text of the first constraint of a kind, without a name.
func (p columnParts) text(kind string) string {
	for i, c := range p.constraints {
		if c.Type == kind {
			return p.texts[i]
		}
	}
	return ""
}

// serials are the types behind the serial ones.
func serials(kind string) (string, bool) {
	switch kind {
	case "smallserial", "serial2":
		return "smallint", true
	case "serial", "serial4":
		return "integer", true
	case "bigserial", "serial8":
		return "bigint", true
	}
	return "", false
}

func notNullRule() Rule {
	return Rule{
		ID: "R6", Name: "set-not-null", Severity: Error, Sized: true,
		What: "SET NOT NULL where no validated check shows that the column has no null",
		Why:  "All rows are read behind an exclusive lock. A validated CHECK (column IS NOT NULL) saves that.",
		Examples: []Example{
			{Bad: "alter table orders alter column total set not null;"},
			{
				Bad:  "alter table customers alter column email set not null;",
				Safe: []string{"alter table customers add constraint c check (email is not null) not valid;", "alter table customers validate constraint c;", "alter table customers alter column email set not null;\nalter table customers drop constraint c;"},
			},
		},
		check: func(s *site) {
			s.eachAlter(func(a alteration) {
				if key := a.table.Key(); !s.model.neverNull(key, a.Name) {
					s.report(a.pos, key, sql(notNullSteps(a, a.Name)...), "all of %s is read for nulls in %s behind an exclusive lock", key, a.Name)
				}
			}, "AT_SetNotNull")
		},
	}
}

// notNullSteps make a column not null without reading the table under lock.
func notNullSteps(a alteration, column string) []string {
	name := ident(nameOf(a.table.Name, []string{column}, "not_null"))
	return []string{
		a.statement("add constraint " + name + " check (" + ident(column) + " is not null) not valid"),
		a.statement("validate constraint " + name),
		a.statement("alter column "+ident(column)+" set not null") + "\n" + a.statement("drop constraint "+name),
	}
}

// notValid adds a constraint without looking at the rows, and looks at them in a file of its own.
func notValid(a alteration, name, text string) []string {
	return []string{a.statement(text + " not valid"), a.statement("validate constraint " + name)}
}

// named is the text of ADD CONSTRAINT with a name, and that name as it is written.
func named(a alteration, c *parse.Constraint, columns []string, suffix string) (text, name string) {
	if c.Name != "" {
		return a.text, ident(c.Name)
	}
	name = ident(nameOf(a.table.Name, columns, suffix))
	return insertAfter(a.text, "add", " constraint "+name), name
}

func foreignKeyRule() Rule {
	return Rule{
		ID: "R7", Name: "foreign-key-validates", Severity: Error, Sized: true,
		What: "a foreign key on a table that may have rows, without NOT VALID",
		Why:  "Writes to both tables wait while all rows are compared.",
		Examples: []Example{
			{Bad: "alter table orders add foreign key (customer_id) references customers on delete cascade;"},
			{Bad: "alter table orders add column seller_id bigint default 1 references customers;", Safe: []string{
				"alter table orders add column seller_id bigint default 1;", "alter table orders add constraint orders_seller_id_fkey foreign key (seller_id) references customers not valid;",
			}},
		},
		check: func(s *site) {
			s.eachConstraint(func(a alteration, c *parse.Constraint) {
				if c.SkipValidation {
					return
				}
				text, name := named(a, c, parse.Names(c.ForeignKeys), "fkey")
				s.report(a.pos, a.table.Key(), sql(notValid(a, name, text)...), "writes to %s and %s wait while all rows of %s are compared", a.table.Key(), c.Referenced.Key(), a.table.Key())
			}, "CONSTR_FOREIGN")
			s.eachInline(func(a alteration, parts columnParts, i int) {
				if _, given := parts.given(); !given {
					return // a column of nulls needs no comparison
				}
				column := parts.column.Name
				name := ident(nameOf(a.table.Name, []string{column}, "fkey"))
				text := "add constraint " + name + " foreign key (" + ident(column) + ") " + drop(parts.texts[i], "constraint")
				s.report(a.pos, a.table.Key(), sql(append([]string{a.statement(parts.without("CONSTR_FOREIGN"))}, notValid(a, name, text)...)...),
					"with its default, %s is compared with %s row by row while writes wait", column, parts.constraints[i].Referenced.Key())
			}, "CONSTR_FOREIGN")
		},
	}
}

func checkRule() Rule {
	return Rule{
		ID: "R8", Name: "check-validates", Severity: Error, Sized: true,
		What: "a CHECK on a table that may have rows, without NOT VALID",
		Why:  "All rows are read behind an exclusive lock.",
		Examples: []Example{
			{Bad: "alter table orders add constraint orders_total_check check (total >= 0);"},
			{Bad: "alter table orders add column weight integer check (weight > 0);"},
		},
		check: func(s *site) {
			s.eachConstraint(func(a alteration, c *parse.Constraint) {
				if c.SkipValidation {
					return
				}
				text, name := named(a, c, nil, "check")
				s.report(a.pos, a.table.Key(), sql(notValid(a, name, text)...), "all rows of %s are checked behind an exclusive lock", a.table.Key())
			}, "CONSTR_CHECK")
			s.eachInline(func(a alteration, parts columnParts, i int) {
				name := ident(nameOf(a.table.Name, []string{parts.column.Name}, "check"))
				text := parts.texts[i]
				if parts.constraints[i].Name == "" {
					text = "constraint " + name + " " + text
				} else {
					name = ident(parts.constraints[i].Name)
				}
				s.report(a.pos, a.table.Key(), sql(append([]string{a.statement(parts.without("CONSTR_CHECK"))}, notValid(a, name, "add "+text)...)...),
					"all rows of %s are checked behind an exclusive lock, though the column is new", a.table.Key())
			}, "CONSTR_CHECK")
		},
	}
}

func validateRule() Rule {
	return Rule{
		ID: "R9", Name: "validate-in-same-transaction", Severity: Error, Sized: true,
		What: "NOT VALID and VALIDATE of a table in one transaction",
		Why:  "The strong lock of the first is still held while the second reads all rows.",
		Examples: []Example{{
			Bad: "alter table orders add constraint orders_total_check check (total >= 0) not valid;\nalter table orders validate constraint orders_total_check;",
			Safe: []string{
				"alter table orders add constraint orders_total_check check (total >= 0) not valid;", "alter table orders validate constraint orders_total_check;",
			},
		}},
		whole: func(s *script) {
			if !s.transactional {
				return
			}
			rule, unproven := s.run.book["R9"], map[string]bool{}
			for _, st := range s.statements {
				for _, a := range st.alters {
					key := a.table.Key()
					switch c := a.Def.Constraint; {
					case c != nil && a.Subtype == "AT_AddConstraint" && c.SkipValidation && !s.fresh(a.table):
						unproven[key] = true
					case a.Subtype == "AT_ValidateConstraint" && unproven[key]:
						s.found(rule, st, a.pos, key, rule.Severity, s.apart(st, false), key+" is read with the lock of the constraint that this file added")
					}
				}
			}
		},
	}
}

func uniqueRule() Rule {
	return Rule{
		ID: "R10", Name: "unique-builds-index", Severity: Error, Sized: true,
		What: "UNIQUE or PRIMARY KEY on a table that may have rows, without USING INDEX; PRIMARY KEY over columns that may be null",
		Why:  "The index is built, and the columns are searched for nulls, behind an exclusive lock.",
		Examples: []Example{
			{Bad: "alter table customers add unique (email);"},
			{Bad: "alter table customers add column code text constraint customers_code_key unique;"},
		},
		check: func(s *site) {
			for _, kind := range []string{"CONSTR_UNIQUE", "CONSTR_PRIMARY"} {
				s.eachConstraint(func(a alteration, c *parse.Constraint) { s.buildsIndex(a, c) }, kind)
				s.eachInline(func(a alteration, parts columnParts, i int) {
					c := *parts.constraints[i]
					columns := []string{parts.column.Name}
					name := c.Name
					if name == "" {
						name = nameOf(a.table.Name, columns, uniqueSuffix(c.Type))
					}
					files := append([]string{a.statement(parts.without(kind))}, usingIndex(a, c.Type, name, columns, "")...)
					s.report(a.pos, a.table.Key(), sql(files...).with("the second in a file of its own; a primary key's columns have to be NOT NULL before, as R6 says"),
						"an index on %s is built behind an exclusive lock", a.table.Key())
				}, kind)
			}
		},
	}
}

func uniqueSuffix(kind string) string {
	if kind == "CONSTR_PRIMARY" {
		return "pkey"
	}
	return "key"
}

func (s *site) buildsIndex(a alteration, c *parse.Constraint) {
	key, columns := a.table.Key(), parse.Names(c.Keys)
	if c.Index != "" {
		if i := s.model.indexes[c.Index]; i != nil && c.Type == "CONSTR_PRIMARY" {
			for _, name := range i.columns {
				if old := s.model.columnOf(key, name); old != nil && !s.model.neverNull(key, name) {
					s.report(a.pos, key, sql(notNullSteps(a, name)...).with("then the primary key"), "all of %s is read for nulls in %s behind an exclusive lock", key, name)
				}
			}
		}
		return
	}
	name := c.Name
	if name == "" {
		name = nameOf(a.table.Name, columns, "key")
		if c.Type == "CONSTR_PRIMARY" {
			name = nameOf(a.table.Name, nil, "pkey")
		}
	}
	var files []string
	for _, column := range columns {
		if old := s.model.columnOf(key, column); c.Type == "CONSTR_PRIMARY" && old != nil && !s.model.neverNull(key, column) {
			files = append(files, notNullSteps(a, column)...)
		}
	}
	files = append(files, usingIndex(a, c.Type, name, columns, deferral(a.text))...)
	s.report(a.pos, key, sql(files...).with("CREATE INDEX CONCURRENTLY in a file of its own"), "an index on %s is built behind an exclusive lock", key)
}

// usingIndex builds the index while clients go on, and makes the constraint of it.
func usingIndex(a alteration, kind, name string, columns []string, deferral string) []string {
	word := "unique"
	if kind == "CONSTR_PRIMARY" {
		word = "primary key"
	}
	return []string{
		"create unique index concurrently " + ident(name) + " on " + relation(a.table) + " (" + idents(columns) + ");",
		a.statement("add constraint " + ident(name) + " " + word + " using index " + ident(name) + deferral),
	}
}

// deferral is what a constraint says about when it is checked.
func deferral(text string) string {
	tokens := significant(text)
	for i := range tokens {
		if tokens[i].Is("deferrable") && (i == 0 || !tokens[i-1].Is("not")) {
			return " " + text[tokens[i].Pos:]
		}
	}
	return ""
}

func excludeRule() Rule {
	return Rule{
		ID: "R11", Name: "exclusion-constraint", Severity: Error, Sized: true,
		What: "EXCLUDE on a table that may have rows",
		Why:  "Its index is built behind an exclusive lock, and PostgreSQL knows no other way for it.",
		Examples: []Example{{
			Given: append(shop(), "create table bookings (room text not null, during tstzrange not null);"),
			Bad:   "alter table bookings add constraint bookings_overlap exclude using gist (during with &&);",
		}},
		check: func(s *site) {
			s.eachConstraint(func(a alteration, c *parse.Constraint) {
				shadow := parse.RangeVar{Schema: a.table.Schema, Name: a.table.Name + "_new"}
				other := alteration{AlterTableCmd: a.AlterTableCmd, table: shadow, head: "alter table " + relation(shadow)}
				text := a.text
				if c.Name != "" {
					text = strings.Replace(text, ident(c.Name), ident(c.Name+"_new"), 1)
				}
				s.report(a.pos, a.table.Key(), sql("create table "+relation(shadow)+" (like "+relation(a.table)+" including all);\n"+other.statement(text)).
					with("let the services write both tables, copy older rows in batches, and read the new one; or add the constraint in a maintenance window"),
					"the index of the constraint on %s is built behind an exclusive lock", a.table.Key())
			}, "CONSTR_EXCLUSION")
		},
	}
}

func domainRule() Rule {
	grade := "create domain grade as integer;\ncreate table marks (id bigint primary key, grade grade);"
	return Rule{
		ID: "R13", Name: "domain-constraint", Severity: Error, Sized: true,
		What: "a constraint added to a domain, a column of a domain that has one, and domains with constraints",
		Why:  "All tables that use the domain are read, or written anew, at once; a column's own CHECK can be validated table by table.",
		Examples: []Example{
			{Given: append(shop(), grade), Bad: "alter domain grade add constraint grade_check check (value between 1 and 6);"},
			{Bad: "create domain percent as numeric check (value between 0 and 100);", Safe: []string{"create table rebates (percent numeric not null check (percent between 0 and 100));"}},
		},
		check: checkDomain,
	}
}

func checkDomain(s *site) {
	switch {
	case s.CreateDomainStmt != nil && constrains(s.CreateDomainStmt.Constraints):
		name := parse.Qualified(s.CreateDomainStmt.Domain).Key()
		s.reportAs(Warning, s.Pos, name, words("a CHECK on each column instead"), "a later change of the constraints of %s reads all tables that use it", name)
	case s.AlterDomainStmt != nil:
		r := parse.Qualified(s.AlterDomainStmt.Type)
		if s.makes("type", r.Key()) {
			return
		}
		if c := s.AlterDomainStmt.Def.Constraint; s.AlterDomainStmt.Subtype == "C" && c != nil && !c.SkipValidation {
			name, text := c.Name, s.Text
			if name == "" {
				name = nameOf(r.Name, nil, "check")
				text = insertAfter(text, "add", " constraint "+ident(name))
			}
			s.report(s.Pos, r.Key(), sql(text+" not valid;", "alter domain "+relation(r)+" validate constraint "+ident(name)+";").
				with("validating reads the tables with a weaker lock; better, a CHECK on each column"), "all tables that use %s are read at once while writes wait", r.Key())
		}
		if s.AlterDomainStmt.Subtype == "O" {
			s.report(s.Pos, r.Key(), words("make each column NOT NULL, as R6 says"), "all tables that use %s are read at once while writes wait", r.Key())
		}
	}
	s.eachAlter(func(a alteration) {
		def := a.Def.ColumnDef
		if def == nil {
			return
		}
		if d := s.model.types[def.Type.Base()]; d != nil && d.constrained {
			s.report(a.pos, a.table.Key(), words("a column of the domain's base type, with a CHECK added as R8 says"), "a column of the domain %s writes all of %s anew", def.Type.Base(), a.table.Key())
		}
	}, "AT_AddColumn")
}

func backfillRule() Rule {
	return Rule{
		ID: "R14", Name: "unbatched-backfill", Severity: Error, Sized: true,
		What: "UPDATE or DELETE of more than one row of a table that may have rows",
		Why:  "One transaction keeps all rows that it changed locked, bloats the table and holds back vacuum in every other tenant.",
		Examples: []Example{{
			Bad:  "update orders set status = 'closed' where status = 'done';",
			Safe: []string{"update orders set status = 'closed' where id = 4711;"},
		}},
		check: func(s *site) {
			change, verb := s.UpdateStmt, "update"
			if s.DeleteStmt != nil {
				change, verb = s.DeleteStmt, "delete"
			}
			if change == nil || !s.many(change) {
				return
			}
			key := change.Relation.Key()
			by := "id"
			if t := s.model.tables[key]; t != nil && len(t.keys) > 0 && !slices.Contains(t.keys[0], "") {
				by = strings.Join(t.keys[0], ", ")
			}
			s.report(s.Pos, key, words("a job of the service, in batches of some thousand rows by %s, each in a transaction of its own", by),
				"one transaction would %s rows of %s, of every tenant", verb, key)
		},
	}
}
