package lift

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

//go:embed sql/evaluated.sql
var evaluatedSQL string

// evaluatedFunction is a function that the server calls by itself, whose body finds others through the search path.
type evaluatedFunction struct {
	OID                     uint32
	Schema, Name, Arguments string
	Language, Body, What    string
}

// pathDependent lists the functions that indexes, checks and generated columns call and whose body names objects without
// their schema. In the legacy database everybody had public in the path; autovacuum and a restore of the tenant don't
// have the tenant's.
func pathDependent(ctx context.Context, conn *pgx.Conn, known *names) ([]evaluatedFunction, error) {
	rows, err := conn.Query(ctx, evaluatedSQL)
	if err != nil {
		return nil, fmt.Errorf("list functions that indexes and checks call: %w", err)
	}
	functions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[evaluatedFunction])
	if err != nil {
		return nil, fmt.Errorf("list functions that indexes and checks call: %w", err)
	}
	short := map[string]bool{}
	for object := range known.objects {
		short[object.name] = true
	}
	seen := map[uint32]bool{}
	var found []evaluatedFunction
	for _, f := range functions {
		if !seen[f.OID] && namesUnqualified(f.Body, short) {
			seen[f.OID] = true
			found = append(found, f)
		}
	}
	return found, nil
}

// namesUnqualified tells whether SQL text holds a known name without a schema before it.
func namesUnqualified(sql string, known map[string]bool) bool {
	tokens := significant(sql)
	for i, token := range tokens {
		qualified := i > 0 && tokens[i-1].IsSymbol(".")
		if token.Kind == lexer.Identifier && !qualified && known[token.Value()] {
			return true
		}
	}
	return false
}

// fixPaths gives those functions the tenant's search path, right behind their definition.
func (s *Script) fixPaths(functions []evaluatedFunction) {
	path := make([]string, len(s.Path))
	for i, schema := range s.Path {
		path[i] = postgres.Ident(schema)
	}
	for _, f := range functions {
		target := s.Schemas[f.Schema]
		for i, statement := range s.Pre {
			if statement.Kind != "FUNCTION" || statement.Schema != target || !strings.HasPrefix(statement.Name, f.Name+"(") {
				continue
			}
			if !sameArguments(statement, f) {
				continue
			}
			s.Pre[i].SQL += ";\nalter function " + postgres.Ident(target, f.Name) + "(" + argumentTypes(statement) + ") set search_path = " + strings.Join(path, ", ")
			s.Rewrites = append(s.Rewrites, Rewrite{
				Object: statement.Object(), From: "no search_path of its own",
				To: "set search_path = " + strings.Join(path, ", ") + " (called by " + f.What + ")",
			})
		}
	}
}

// argumentTypes is what stands in the parentheses of pg_dump's name for a function: its argument types.
func argumentTypes(s ddl.Statement) string {
	open := strings.Index(s.Name, "(")
	return strings.TrimSuffix(s.Name[open+1:], ")")
}

// sameArguments compares the number of arguments: enough where a function isn't overloaded, and harmless where it is.
func sameArguments(s ddl.Statement, f evaluatedFunction) bool {
	return strings.Count(argumentTypes(s), ",") == strings.Count(f.Arguments, ",") && (argumentTypes(s) == "") == (f.Arguments == "")
}
