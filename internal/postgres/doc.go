// Package postgres is the one place that knows how this program talks to PostgreSQL: connections and pools with their settings,
// quoting, SQLSTATE classes, session locks, the migration of the program's own schemas, and the one runner of
// pg_dump and pg_restore.
package postgres
