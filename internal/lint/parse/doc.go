// Package parse reads SQL with PostgreSQL's own grammar: libpg_query, compiled to WebAssembly, so that the program stays one
// static file. The parser starts when the first script is read (about a second) and takes none of the time of commands that
// don't need it.
//
// The tree comes as JSON. Statements that rules ask about are structs here; expressions stay generic trees, which Walk visits.
package parse
