package lint

import (
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/lint/parse"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/stream"
)

func tenantTheme() Theme {
	return Theme{
		Title: "Tenants",
		Intro: "A file runs once in each tenant's schema, on an instance that all of them share. Streams with `scope: instance` run once, so T2 to T7 don't concern them.",
		Rules: []Rule{qualifierRule(), sharedRule(), databaseRule(), pathRule(), catalogRule(), relationsRule(), seedRule()},
	}
}

// perTenant tells that a file runs in each tenant's schema.
func (s *script) perTenant() bool { return s.input.Stream.Scope != stream.PerInstance }

// neutral are the schemas that every tenant sees under the same name.
func neutral(schema string) bool {
	return slices.Contains([]string{"", "pg_catalog", "information_schema", "pg_temp", "pg_toast", "ext"}, schema)
}

func qualifierRule() Rule {
	return Rule{
		ID: "T1", Name: "hard-coded-schema", Severity: Error,
		What: "a schema in front of a name, other than PostgreSQL's own and ext; names behind public. in function bodies",
		Why:  "The file has to land in each tenant's schema; with a schema it lands in the same one for all, or reads another tenant's rows.",
		Examples: []Example{
			{Bad: "alter table public.orders add column paid boolean;"},
			{Bad: "create function paid() returns bigint language sql as $$ select count(*) from public.orders $$;", Safe: []string{"create function paid() returns bigint language sql as $$ select count(*) from orders $$;"}},
		},
		check: func(s *site) {
			if s.block != nil {
				return // seen as the block's text
			}
			reported := map[string]bool{}
			report := func(schema string) {
				if schema = strings.ToLower(schema); neutral(schema) || reported[schema] || !s.perTenant() {
					return
				}
				reported[schema] = true
				s.report(s.Pos, schema, sql(unqualified(s.Text, schema)+";"), "%s. is the same schema for every tenant", schema)
			}
			s.Tree().Walk(func(kind string, f parse.Fields) bool {
				for _, schema := range schemasIn(kind, f) {
					report(schema)
				}
				return true
			})
			if s.DropStmt != nil {
				for _, node := range s.DropStmt.Objects {
					report(droppedFrom(s.DropStmt.Type, node))
				}
			}
			if s.CreateFunctionStmt != nil || s.DoStmt != nil {
				if publicIn(s.Text) {
					report("public")
				}
			}
		},
	}
}

// schemasIn are the schemas that a node names.
func schemasIn(kind string, f parse.Fields) []string {
	if f["relname"] != nil {
		return []string{f.Text("schemaname")}
	}
	for _, list := range []string{"funcname", "names", "objname", "domainname", "typeName"} {
		if names := f.Names(list); len(names) == 2 {
			return names[:1]
		}
	}
	if names := f.Names("fields"); kind == "ColumnRef" && len(names) == 3 {
		return names[:1]
	}
	return nil
}

// droppedFrom is the schema in the name of a thing to drop. Triggers, rules and policies are named behind their table.
func droppedFrom(kind string, node parse.Node) string {
	switch kind {
	case "OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY":
		if node.List != nil && len(node.List.Items) == 3 {
			return parse.Names(node.List.Items)[0]
		}
		return ""
	}
	return node.Object().Schema
}

// publicIn looks for names behind public. within the quoted body of a function.
func publicIn(text string) bool {
	for token := range lexer.Tokens(text) {
		if token.Kind != lexer.String {
			continue
		}
		inner := significant(token.Value())
		for i := range inner {
			if i+1 < len(inner) && inner[i].Kind == lexer.Identifier && inner[i].Value() == "public" && inner[i+1].IsSymbol(".") {
				return true
			}
		}
	}
	return false
}

// unqualified takes a schema and its dot away wherever they stand before a name.
func unqualified(text, schema string) string {
	tokens := significant(text)
	var out strings.Builder
	from := 0
	for i := 0; i < len(tokens); i++ {
		if tokens[i].Kind == lexer.String && tokens[i].Form == lexer.Dollar && !tokens[i].Unterminated {
			begin := tokens[i].BodyPos()
			body := tokens[i].Value()
			out.WriteString(text[from:begin] + unqualified(body, schema))
			from = begin + len(body)
			continue
		}
		if tokens[i].Kind == lexer.Identifier && tokens[i].Value() == schema && i+1 < len(tokens) && tokens[i+1].IsSymbol(".") && (i == 0 || !tokens[i-1].IsSymbol(".")) {
			out.WriteString(text[from:tokens[i].Pos])
			from = tokens[i+1].End()
		}
	}
	return out.String() + text[from:]
}

func sharedRule() Rule {
	return Rule{
		ID: "T2", Name: "reference-to-shared-table", Severity: Error,
		What: "a foreign key or trigger on a table that all tenants share",
		Why:  "Each tenant's migration locks that one table against writes of all the others, and each of their rows is checked against it for ever.",
		Examples: []Example{{
			Bad:  "create table prices (id bigint primary key, currency text not null references shared.currencies);",
			Safe: []string{"create table prices (id bigint primary key, currency text not null);"},
		}},
		check: func(s *site) {
			if !s.perTenant() {
				return
			}
			shared := func(r *parse.RangeVar) (string, bool) {
				if r == nil {
					return "", false
				}
				if owner, found := s.run.shared[r.Name]; found && s.model.tables[r.Key()] == nil {
					return r.Key() + " of " + owner, true
				}
				return r.Key(), !neutral(r.Schema)
			}
			s.Tree().Walk(func(kind string, f parse.Fields) bool {
				if kind != "Constraint" || f["pktable"] == nil {
					return true
				}
				table, _ := f["pktable"].(map[string]any)
				r := parse.RangeVar{Schema: parse.Fields(table).Text("schemaname"), Name: parse.Fields(table).Text("relname")}
				if name, found := shared(&r); found {
					s.report(max(f.Int("location"), s.Pos), r.Key(), words("leave the reference out and let the service that writes the column check it; where it has to be, NOT VALID and one tenant at a time"),
						"each tenant's migration locks %s, which all share", name)
				}
				return true
			})
			if s.CreateTrigStmt != nil {
				if name, found := shared(&s.CreateTrigStmt.Relation); found {
					s.report(s.Pos, name, words("a trigger on the shared table belongs in its own stream, once"), "each tenant would put a trigger on %s, which all share", name)
				}
			}
		},
	}
}

func databaseRule() Rule {
	return Rule{
		ID: "T3", Name: "database-wide-object", Severity: Error,
		What: "extensions, roles, schemas, databases, event triggers, publications, servers, casts and languages",
		Why:  "There is one of it in the database, so the second tenant fails on it, or changes it for the first.",
		Examples: []Example{{
			Bad: "create extension if not exists pgcrypto;", Safe: []string{"alter table orders add column token uuid;\nalter table orders alter column token set default gen_random_uuid();"},
		}},
		check: func(s *site) {
			if what := databaseWide(s.statement); what != "" && s.perTenant() {
				s.report(s.Pos, what, words("into a stream with `scope: instance`, which runs once"), "%s is the whole database's, not the tenant's", what)
			}
		},
	}
}

// databaseWide says what a statement makes or changes that isn't one schema's; "" for others.
func databaseWide(st *statement) string {
	switch st.Kind {
	case "CreateExtensionStmt", "AlterExtensionStmt", "AlterExtensionContentsStmt":
		return "an extension"
	case "CreateRoleStmt", "AlterRoleStmt", "AlterRoleSetStmt", "DropRoleStmt", "GrantRoleStmt", "DropOwnedStmt", "ReassignOwnedStmt":
		return "a role"
	case "CreatedbStmt", "DropdbStmt", "AlterDatabaseStmt", "AlterDatabaseSetStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt":
		return "a database or its settings"
	case "CreateEventTrigStmt", "AlterEventTrigStmt":
		return "an event trigger"
	case "CreatePublicationStmt", "AlterPublicationStmt", "CreateSubscriptionStmt", "AlterSubscriptionStmt", "DropSubscriptionStmt":
		return "a publication or subscription"
	case "CreateFdwStmt", "CreateForeignServerStmt", "AlterForeignServerStmt", "CreateUserMappingStmt":
		return "a foreign server"
	case "CreateSchemaStmt":
		return "a schema"
	case "CreatePLangStmt":
		return "a language"
	case "CreateCastStmt":
		return "a cast"
	case "DropStmt":
		switch st.DropStmt.Type {
		case "OBJECT_EXTENSION", "OBJECT_EVENT_TRIGGER", "OBJECT_PUBLICATION", "OBJECT_FOREIGN_SERVER", "OBJECT_FDW", "OBJECT_LANGUAGE", "OBJECT_CAST", "OBJECT_SCHEMA":
			return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(st.DropStmt.Type, "OBJECT_")), "_", " ")
		}
	}
	return ""
}

func pathRule() Rule {
	return Rule{
		ID: "T4", Name: "public-in-search-path", Severity: Error,
		What: "a search_path with public in it, also of a function",
		Why:  "Where the tenant's schema or table is missing, CREATE lands in public and ALTER and DROP hit what is there, for all tenants.",
		Examples: []Example{
			{Bad: "set local search_path = shop, public;", Safe: []string{"comment on table orders is 'what was bought';"}},
			{
				Bad:  "create function paid() returns bigint language sql set search_path = public as $$ select count(*) from orders $$;",
				Safe: []string{"create function paid() returns bigint language sql set search_path from current as $$ select count(*) from orders $$;"},
			},
		},
		check: func(s *site) {
			if !s.perTenant() {
				return
			}
			s.Tree().Walk(func(kind string, f parse.Fields) bool {
				found := kind == "VariableSetStmt" && f.Text("name") == "search_path"
				if names := f.Names("funcname"); kind == "FuncCall" && len(names) > 0 && names[len(names)-1] == "set_config" {
					found = true
				}
				if found && mentions(f.Sub("args"), "public") {
					s.report(s.Pos, "search_path", words("take it away: tenantctl sets the tenant's path; of a function, SET search_path FROM CURRENT"), "with public in the path, names that the tenant lacks are found, and made, in public")
				}
				return true
			})
		},
	}
}

// mentions tells whether a text constant below holds a word.
func mentions(e parse.Expr, word string) bool {
	found := false
	e.Walk(func(_ string, f parse.Fields) bool {
		if text, ok := f["sval"].(string); ok {
			found = found || hasWord(text, word)
		}
		return !found
	})
	return found
}

func hasWord(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '"' }), word)
}

func catalogRule() Rule {
	return Rule{
		ID: "T5", Name: "whole-catalog-query", Severity: Error,
		What: "a query of the catalog in a DO block or SELECT that isn't bound to one schema or object",
		Why:  "It reads the objects of all tenants, for each tenant: a thousand tenants make a million of it.",
		Examples: []Example{{
			Bad: `do $$
begin
    if not exists (select from information_schema.columns where table_name = 'orders' and column_name = 'paid') then
        alter table orders add column paid boolean;
    end if;
end $$;`,
			Safe: []string{`do $$
begin
    if not exists (select from pg_attribute where attrelid = 'orders'::regclass and attname = 'paid') then
        alter table orders add column paid boolean;
    end if;
end $$;`},
		}},
		check: func(s *site) {
			if s.DoStmt == nil && s.SelectStmt == nil || s.block != nil || !s.perTenant() {
				return
			}
			text, at := s.Text, s.Pos
			if s.DoStmt != nil {
				body, pos, ok := blockBody(&s.Statement)
				if !ok {
					return
				}
				text, at = body, pos
			}
			if table, pos := unboundCatalog(text); table != "" {
				s.report(at+pos, table, words("look the object up by name: to_regclass('name'), 'name'::regclass; or bind it: relnamespace = current_schema()::regnamespace, table_schema = current_schema()"),
					"%s is read for all schemas of the database", table)
			}
		},
	}
}

// unboundCatalog finds a query of the catalog without anything that binds it to a schema or an object. Queries end at semicolons.
func unboundCatalog(text string) (string, int) {
	table, at, bound := "", 0, false
	for _, token := range append(significant(text), lexer.Token{Kind: lexer.Symbol, Text: ";"}) {
		name := token.Value()
		switch {
		case token.IsSymbol(";"):
			if table != "" && !bound {
				return table, at
			}
			table, bound = "", false
		case token.Kind != lexer.Identifier:
		case catalogs(name) && table == "":
			table, at = name, token.Pos
		case binds(name):
			bound = true
		}
	}
	return "", 0
}

func catalogs(name string) bool {
	return name == "information_schema" || slices.Contains([]string{
		"pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_indexes", "pg_tables", "pg_views", "pg_proc", "pg_type", "pg_trigger", "pg_sequences", "pg_depend", "pg_matviews",
		"pg_policies", "pg_policy", "pg_enum", "pg_sequence", "pg_description", "pg_stat_user_tables", "pg_stat_all_tables",
	}, name)
}

func binds(name string) bool {
	return slices.Contains([]string{
		"regclass", "regtype", "regproc", "regprocedure", "regnamespace", "to_regclass", "to_regtype", "to_regproc", "to_regprocedure", "current_schema", "current_schemas",
		"relnamespace", "connamespace", "pronamespace", "typnamespace", "schemaname", "table_schema", "constraint_schema", "sequence_schema", "trigger_schema", "specific_schema", "routine_schema",
	}, name)
}

// maxRelations is how many new relations a file may have without a word.
const maxRelations = 25

func relationsRule() Rule {
	many := make([]string, 0, maxRelations)
	for i := range maxRelations {
		many = append(many, fmt.Sprintf("create table archive_%02d (id bigint primary key);", i+1))
	}
	return Rule{
		ID: "T6", Name: "many-relations", Severity: Warning,
		What: fmt.Sprintf("more than %d new tables, indexes and sequences in one file", maxRelations),
		Why:  "Each is a file, rows of the catalog and cache in every connection that uses it, and a lock while it is made, once for every tenant.",
		Examples: []Example{{
			Bad:  strings.Join(many, "\n"),
			Safe: []string{"create table archive (at date not null, id bigint not null, primary key (at, id));"},
		}},
		whole: func(s *script) {
			if s.direction == Down || !s.perTenant() {
				return
			}
			n := 0
			for _, st := range s.statements {
				n += relations(st)
			}
			if n <= maxRelations {
				return
			}
			s.found(s.run.book["T6"], s.statements[0], s.statements[0].Pos, "", Warning, words("fewer tables; for old rows one partitioned table or one archive table; where they have to be, spread them over several files"),
				fmt.Sprintf("%d new relations%s", n, times(s.run.opts.Tenants, n)))
		},
	}
}

// catalogRows is about how many rows of the catalog a relation has: itself, its columns, its type, what it depends on. A
// test measures it.
const catalogRows = 20

func times(tenants, n int) string {
	if tenants == 0 {
		return " for every tenant"
	}
	return fmt.Sprintf(": with %d tenants %d files and about %d rows of the catalog, and %d locks in each transaction", tenants, tenants*n, tenants*n*catalogRows, n)
}

// relations counts the tables, indexes, sequences and views that a statement makes.
func relations(st *statement) int {
	switch {
	case st.CreateStmt != nil:
		n := 1
		for _, node := range st.CreateStmt.Elements {
			if node.Constraint != nil {
				n += ownRelations(node.Constraint)
			}
			if node.ColumnDef != nil {
				if _, serial := serials(node.ColumnDef.Type.Base()); serial {
					n++
				}
				for _, inner := range node.ColumnDef.Constraints {
					if inner.Constraint != nil {
						n += ownRelations(inner.Constraint)
					}
				}
			}
		}
		return n
	case st.IndexStmt != nil, st.CreateSeqStmt != nil, st.ViewStmt != nil, st.CreateTableAsStmt != nil:
		return 1
	}
	return 0
}

func ownRelations(c *parse.Constraint) int {
	switch c.Type {
	case "CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_EXCLUSION", "CONSTR_IDENTITY":
		return 1
	}
	return 0
}

const (
	maxSeedRows  = 200
	maxSeedBytes = 64 << 10
	// walPerRow is about what an inserted row costs in the log beside its own bytes: record header, tuple header, an index entry.
	// A test measures it.
	walPerRow = 150
)

func seedRule() Rule {
	rows := make([]string, 0, maxSeedRows+1)
	for i := range maxSeedRows + 1 {
		rows = append(rows, fmt.Sprintf("(%d, 'customer %d')", i+1, i+1))
	}
	return Rule{
		ID: "T7", Name: "large-seed", Severity: Warning,
		What: fmt.Sprintf("INSERT of more than %d rows or %d kB", maxSeedRows, maxSeedBytes>>10),
		Why:  "It is written, logged and sent to the replicas once for every tenant.",
		Examples: []Example{{
			Bad:  "insert into customers (id, name) overriding system value values\n" + strings.Join(rows, ",\n") + ";",
			Safe: []string{"insert into customers (id, name) overriding system value values (4711, 'customer 1');"},
		}},
		check: func(s *site) {
			if s.InsertStmt == nil || s.InsertStmt.Select.SelectStmt == nil || !s.perTenant() {
				return
			}
			n := len(s.InsertStmt.Select.SelectStmt.Values)
			if n <= maxSeedRows && len(s.Text) <= maxSeedBytes {
				return
			}
			wal := len(s.Text) + n*walPerRow
			cost := fmt.Sprintf("about %d kB of WAL for every tenant", (wal+1023)>>10)
			if tenants := s.run.opts.Tenants; tenants > 0 {
				cost = fmt.Sprintf("about %d kB of WAL, with %d tenants %d MB", (wal+1023)>>10, tenants, (wal*tenants)>>20)
			}
			s.report(s.Pos, s.InsertStmt.Relation.Key(), words("into a table of a stream with `scope: instance`, which all tenants read; or a job of the service"), "%d rows: %s", n, cost)
		},
	}
}
