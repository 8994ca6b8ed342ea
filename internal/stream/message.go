package stream

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/golang-migrate/migrate/v4/database"

	"tenantctl/internal/postgres"
)

// The words by which the guard of a message tells why it stopped.
const (
	guardPath   = "tenantctl:path"
	guardLocked = "tenantctl:locked"
	guardMoved  = "tenantctl:moved"
)

// position is where a schema stands, as golang-migrate counts: version -1 is none.
type position struct {
	table   bool // the version table exists
	version int
	dirty   bool
}

// message is what brings a schema from one version to the next in one request to the server.
type message struct {
	sql string
	// offset is the number of characters, and before the number of statements, that stand ahead of the script.
	offset, before int
}

// message puts a transactional script between its settings and its version row.
func (d *driver) message() message {
	t, script := d.target, d.work.script
	head := []string{"begin"}
	head = append(head, localSettings(t, script.statements)...)
	head = append(head, guardSchema(t.Schema, d.locks))
	if !d.at.table {
		head = append(head, createTable(d.table))
	}
	head = append(head, guardVersion(d.table, d.at))
	prefix := strings.Join(head, ";\n") + ";\n"
	return message{
		sql:    prefix + script.body + "\n;\n" + strings.Join(d.tail(), ";\n"),
		offset: utf8.RuneCountInString(prefix),
		before: len(head),
	}
}

// tail is what follows a script within its transaction. The script may have changed role and path.
func (d *driver) tail() []string {
	var tail []string
	if d.work.script.Creates && d.target.Grants != "" {
		tail = append(tail, setRole(d.target.Role), d.target.Grants)
	} else if d.work.script.leaks {
		tail = append(tail, setRole(d.target.Role))
	}
	tail = append(tail, writeVersion(d.table, d.at.version, d.work.to))
	if d.target.Record {
		tail = append(tail, "reset role", d.record())
	}
	return append(tail, "commit")
}

func setRole(role string) string {
	if role == "" {
		return "reset role"
	}
	return "set local role " + postgres.Ident(role)
}

func localSettings(t Target, statements int) []string {
	var settings []string
	if t.Role != "" {
		settings = append(settings, "set local role "+postgres.Ident(t.Role))
	}
	settings = append(settings, "set local search_path = "+quotePath(t.path()))
	if t.LockTimeout > 0 {
		settings = append(settings, setLockTimeout("set local", t.lockTimeout(statements)))
	}
	if t.StatementTimeout > 0 {
		settings = append(settings, fmt.Sprintf("set local statement_timeout = %d", max(t.StatementTimeout.Milliseconds(), 1)))
	}
	return settings
}

func quotePath(path []string) string {
	quoted := make([]string, len(path))
	for i, schema := range path {
		quoted[i] = postgres.Ident(schema)
	}
	return strings.Join(quoted, ", ")
}

// guardSchema fails, with a word that says why, unless unqualified names land in the tenant's schema and nobody else migrates
// it. The locks end with the transaction; they exclude golang-migrate's session locks.
func guardSchema(schema string, locks []string) string {
	var taken []string
	for _, lock := range locks {
		taken = append(taken, "not pg_try_advisory_xact_lock("+lock+")")
	}
	locked := ""
	if len(taken) > 0 {
		locked = " when " + strings.Join(taken, " or ") + " then " + postgres.Literal(guardLocked)
	}
	return "select (case when current_schema() is distinct from " + postgres.Literal(schema) + " then " + postgres.Literal(guardPath) +
		locked + " else '0' end)::int"
}

// guardVersion fails unless the schema still stands where it was seen.
func guardVersion(table string, at position) string {
	moved := "exists (select from " + table + ")"
	if at.version >= 0 {
		moved = fmt.Sprintf("not exists (select from %s where version = %d and not dirty)", table, at.version)
	}
	return "select (case when " + moved + " then " + postgres.Literal(guardMoved) + " else '0' end)::int"
}

func createTable(table string) string {
	return "create table if not exists " + table + " (version bigint not null primary key, dirty boolean not null)"
}

func writeVersion(table string, from, to int) string {
	switch {
	case to < 0: // golang-migrate keeps no row for no version
		return "delete from " + table
	case from >= 0:
		return fmt.Sprintf("update %s set version = %d, dirty = false", table, to)
	}
	return fmt.Sprintf("insert into %s (version, dirty) values (%d, false)", table, to)
}

// lockIDs are the advisory locks that golang-migrate takes for a version table. It hashes the database's name with a slash
// before it when it was given a URL and without one as a library; whoever wants to exclude both takes both.
func lockIDs(databaseName, schema, table string) ([]string, error) {
	ids := make([]string, 0, 2)
	for _, name := range []string{"/" + databaseName, databaseName} {
		id, err := database.GenerateAdvisoryLockId(name, schema, table)
		if err != nil {
			return nil, fmt.Errorf("lock of %s.%s: %w", schema, table, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
