// Package lint finds migration files that are unsafe to run on many tenants at once, before they run.
//
// It reads a stream's files with PostgreSQL's own grammar (package parse) and keeps a small model of the schema as the files
// build it, so that it can tell a table with rows from one that was just made, a longer varchar from a rewrite, and a column
// that a validated check keeps from being null. Each rule is a value of its own (rule.go names the fields, the themes hold the
// rules); what it finds comes with the statement's place and with the SQL that does the same safely. The examples of the rules
// are the documentation, docs/lint.md, and the tests: what is bad is found, what is proposed is run on a server.
package lint

//go:generate go run ./docgen ../../docs/lint.md
