package inspect

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/search_path.sql
var searchPathSQL string

type pathRow struct {
	Path    string
	User    string
	Schemas []string // that exist, the system's left out
}

func readSearchPath(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, searchPathSQL)
	if err != nil {
		return nil, err
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[pathRow])
	if err != nil {
		return nil, err
	}
	return effectivePath(row.Path, row.User, row.Schemas), nil
}

// effectivePath resolves a setting of search_path to the schemas that it finds.
func effectivePath(setting, user string, schemas []string) []string {
	var path []string
	for _, name := range splitIdentifiers(setting) {
		if name == "$user" {
			name = user
		}
		if slices.Contains(schemas, name) && !slices.Contains(path, name) {
			path = append(path, name)
		}
	}
	return path
}

// splitIdentifiers reads a list of names as PostgreSQL does: folded to lower case unless quoted.
func splitIdentifiers(text string) []string {
	var names []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		var name string
		if text[0] == '"' {
			name, text = quotedName(text[1:])
		} else {
			end := strings.IndexByte(text, ',')
			if end < 0 {
				end = len(text)
			}
			name, text = strings.ToLower(strings.TrimSpace(text[:end])), text[end:]
		}
		names = append(names, name)
		text = strings.TrimPrefix(strings.TrimSpace(text), ",")
	}
	return names
}

// quotedName reads up to the closing quote and returns what follows it.
func quotedName(text string) (name, rest string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), text[i+1:]
	}
	return b.String(), ""
}
