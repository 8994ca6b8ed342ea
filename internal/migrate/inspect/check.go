package inspect

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// Mode is how a move brings the rows over.
type Mode string

// Offline stops the client's writes before the first row is copied.
const Offline Mode = "offline"

// Options say which move is being checked.
type Options struct {
	// Mode is Offline; "" means the same.
	Mode Mode
	// Lift tells that the whole schema is carried as it is. Without it rows are carried by a mapping, and what the schema is
	// made of doesn't matter, but for the tables Selected.
	Lift bool
	// Selected tells, in a move by mapping, which tables are lifted as they are beside the mapped ones; nil: none.
	Selected func(schema, table string) bool
	// Moved tells which tables' rows are carried, mapped or lifted; nil: every table's. Writes are stopped on all of them
	// anyway.
	Moved func(schema, table string) bool
	// TargetSchema is the tenant's schema; "" where it isn't known yet.
	TargetSchema string
	// Tools are the client programs that dump; the zero value where none is run.
	Tools postgres.Tools
	// Scratch is the server on which a lift is prepared, where that isn't the target; nil: it is.
	Scratch postgres.Querier
	// LargeObjects tells that large objects are carried.
	LargeObjects bool
	// LongTransaction is the age from which a transaction is named; 0 means 30 s.
	LongTransaction time.Duration
}

// Check finds everything that a move of the source must know, refusals first. It reads both sides and changes neither; the
// source is read for as long as a probe of its text takes, where encodings differ. An error means that Check itself couldn't
// look.
func Check(ctx context.Context, source, target postgres.Querier, catalog *Catalog, opts Options) ([]Finding, error) {
	if opts.Mode != "" && opts.Mode != Offline {
		return nil, fmt.Errorf("mode %q of a move: %w", opts.Mode, tenant.ErrInvalid)
	}
	if opts.LongTransaction == 0 {
		opts.LongTransaction = defaultLongTransaction
	}
	c := &checker{catalog: catalog, opts: opts}
	err := readOnly(ctx, source, func(from pgx.Tx) error {
		return readOnly(ctx, target, func(to pgx.Tx) (err error) {
			c.source, c.target = from, to
			if c.there, err = readServer(ctx, to); err != nil {
				return fmt.Errorf("target: %w", err)
			}
			return c.run(ctx)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	Sort(c.found)
	return c.found, nil
}

const defaultLongTransaction = 30 * time.Second

// checker is one run of Check.
type checker struct {
	source, target pgx.Tx
	catalog        *Catalog
	there          Server // the target's
	opts           Options
	found          []Finding
}

// check is one theme. Its name says what couldn't be looked at, where it fails.
type check struct {
	name string
	run  func(context.Context) error
}

// checks lists the themes of this move.
func (c *checker) checks() []check {
	all := []check{
		{"servers", c.servers},
		{"client programs", c.tools},
		{"prepared transactions", c.preparedTransactions},
		{"vacuums", c.vacuums},
		{"objects", c.objects},
		{"what stays behind", c.leftBehind},
		{"tables", c.tables},
		{"column types", c.columnTypes},
		{"generated columns", c.generated},
		{"encodings", c.encodings},
	}
	all = append(all, c.offlineChecks()...)
	if c.opts.Lift {
		all = append(all, check{"extensions", c.extensions}, check{"code", c.code}, check{"collations", c.collations},
			check{"names", c.names}, check{"foreign keys", c.keysOff})
	}
	return all
}

// offlineChecks are what stopping the client's writes for the whole move takes.
func (c *checker) offlineChecks() []check {
	return []check{{"privileges", c.privileges}, {"sessions", c.sessions}}
}

func (c *checker) run(ctx context.Context) error {
	for _, check := range c.checks() {
		if err := check.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", check.name, err)
		}
	}
	return nil
}

func (c *checker) refuse(code, object, message, hint string) {
	c.add(Refusal, code, object, message, hint)
}

func (c *checker) warn(code, object, message, hint string) {
	c.add(Warning, code, object, message, hint)
}

func (c *checker) note(code, object, message, hint string) { c.add(Note, code, object, message, hint) }

func (c *checker) add(severity Severity, code, object, message, hint string) {
	c.found = append(c.found, Finding{Severity: severity, Code: code, Object: object, Message: message, Hint: hint})
}

// moved tells whether a table's rows are carried.
func (c *checker) moved(schema, table string) bool {
	return c.opts.Moved == nil || c.opts.Moved(schema, table)
}

// lifted tells whether a table is carried as it is.
func (c *checker) lifted(schema, table string) bool {
	return c.opts.Lift || (c.opts.Selected != nil && c.opts.Selected(schema, table))
}

func (c *checker) database() string { return "database " + quote(c.catalog.Server.Database) }

// attempt runs fn in a savepoint, so that an error of the server's is an answer and not the end of the transaction.
func attempt(ctx context.Context, tx pgx.Tx, fn func(pgx.Tx) error) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = inner.Rollback(context.WithoutCancel(ctx)) }()
	return fn(inner)
}

// one runs a query that gives exactly one row.
func one[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) (T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
}
