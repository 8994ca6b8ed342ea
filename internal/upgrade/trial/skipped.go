package trial

import (
	"maps"
	"slices"
	"strings"

	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/stream"
)

// skipped are files that weren't tried: a later one that fails and has a name of theirs may just miss what they do.
type skipped []untried

type untried struct {
	path    string
	names   map[string]bool
	changes bool // it may change rows
}

func (s skipped) with(file File) skipped {
	found, changes := map[string]bool{}, false
	for _, statement := range file.Statements {
		maps.Copy(found, names(statement.SQL))
		changes = changes || changesRows(statement.SQL)
	}
	return append(s, untried{file.Path, found, changes})
}

// explains names the file that an error of a statement may come from the lack of; "" is none. Rows that are in the way are there
// unless something was to change them.
func (s skipped) explains(code, statement string) string {
	rows := strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
	words := slices.Collect(maps.Keys(names(statement)))
	for _, file := range slices.Backward(s) {
		if (file.changes || !rows) && slices.ContainsFunc(words, func(word string) bool { return file.names[word] }) {
			return file.path
		}
	}
	return ""
}

// changesRows tells whether a statement does anything to rows but check, index and pack them.
func changesRows(statement string) bool {
	words := strings.Fields(strings.ToLower(statement))
	if words[0] == "alter" {
		return slices.Contains(words, "type") || slices.Contains(words, "rename")
	}
	return !slices.Contains([]string{"create", "drop", "reindex", "vacuum", "cluster", "begin", "commit", "end", "start"}, words[0])
}

// names are the words of a statement but the usual ones of SQL. A block may use what its text names.
func names(sql string) map[string]bool {
	found, known := map[string]bool{}, usual()
	for token := range lexer.Tokens(sql) {
		switch {
		case token.Kind == lexer.Identifier && (token.Form != lexer.Plain || !known[strings.ToLower(token.Text)]):
			found[token.Value()] = true
		case token.Kind == lexer.String && token.Form == lexer.Dollar:
			maps.Copy(found, names(token.Value()))
		}
	}
	return found
}

// usual are words that two statements may share without having a table in common.
func usual() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`add all alter always and any as asc begin bigint boolean by cascade case check collate column columns commit
		concurrently constraint copy create cross current_date current_timestamp database default deferrable deferred delete desc distinct do
		drop each else end exists false fillfactor first for foreign from full function generated grant group having identity if immediate in
		include index initially inner insert int integer into is isnull join key language last left like limit lock materialized match
		not notnull now null nulls numeric of off on only or order over partition plpgsql primary references reindex rename replace restrict
		returning returns revoke right rollback row schema select sequence set stored system table tablespace temp temporary text then
		timestamp timestamptz to transaction trigger true truncate type union unique unlogged update using uuid vacuum valid validate values
		varchar view when where with without work`) {
		words[word] = true
	}
	return words
}

// lasting finds what a rollback doesn't take back. It takes every mention for a use, in strings and comments, too.
func lasting(script stream.Script) string {
	text := strings.ToLower(script.SQL)
	for _, function := range []string{
		"setval", "dblink", "lo_export", "pg_file_write", "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile",
		"pg_logical_emit_message", "_replication_slot", "pg_switch_wal",
	} {
		if strings.Contains(text, function) {
			return function
		}
	}
	for _, statement := range script.Statements() {
		words := strings.Fields(strings.ToLower(statement.Text))
		if words[0] == "copy" && slices.Contains(words, "to") {
			return "COPY TO"
		}
	}
	return ""
}
