package stream

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/tenant"
)

// restart makes a dirty version clean again where it is sure what is right: for a file of one statement that may be run again
// from any point. Anything else a person has to look at. A version that is dirty because a process is at work on it counts as
// locked.
func (d *driver) restart() error {
	return d.underLocks(func() error {
		i, known := d.stream.at[uint64(max(d.at.version, 0))]
		if !known {
			return d.dirty()
		}
		file := d.stream.files[i]
		statements := lexer.Statements(file.Up.body)
		if file.Up.Mode != Autocommit || len(statements) != 1 {
			return d.dirty()
		}
		if index := concurrentIndex(statements[0].Text); index != "" {
			drop := `drop index concurrently if exists ` + postgres.Ident(d.target.Schema, index)
			if _, err := d.conn.Exec(d.ctx, drop, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("drop unfinished index %q of schema %q: %w", index, d.target.Schema, err)
			}
		} else if w := words(statements[0].Text, wordLimit); !runsAgain(w) {
			return d.dirty()
		}
		before := -1
		if i > 0 {
			before = int(d.stream.files[i-1].Version) //nolint:gosec // Read keeps versions below MaxInt64
		}
		return d.mark(file.Version, before, false)
	})
}

// runsAgain knows the statements outside transactions that do no harm when they are run twice.
func runsAgain(w []string) bool {
	return w[0] == "vacuum" || w[0] == "reindex" || w[0] == "cluster" ||
		begins(w, "drop", "index", "concurrently", "if", "exists")
}

func (d *driver) dirty() error {
	what := "a file that these don't have"
	if file, err := d.stream.File(uint64(max(d.at.version, 0))); err == nil {
		what = file.Up.Path
	}
	return tenant.WithHint(fmt.Errorf("schema %q is dirty at version %s of %s: %s didn't end: %w", d.target.Schema, label(d.at.version), d.stream.Service, what, tenant.ErrConflict),
		fmt.Sprintf("compare the schema with that file, make it whole or undo it by hand, then set version and dirty = false in %s", d.table))
}
