package mapping

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/inspect"
)

// findings turns what a trial counted into words.
func (t trial) findings(tallies []tally) []inspect.Finding {
	var findings []inspect.Finding
	if filter := tallies[len(t.groups)]; filter.failed > 0 {
		findings = append(findings, inspect.Finding{
			Severity: inspect.Refusal, Code: failingRows, Object: "where of " + t.table,
			Message: fmt.Sprintf("%s can't be evaluated for %s: %s", t.filter, rowCount(filter.failed, filter.stopped), listed(filter.errors, filter.failed)),
		})
	}
	said := false // that expressions fail
	for i, g := range t.groups {
		found := tallies[i]
		if found.failed > 0 && (g.derived == nil || !said) {
			said = true
			findings = append(findings, inspect.Finding{
				Severity: g.severity, Code: failingRows, Object: g.object,
				Message: fmt.Sprintf("%s fails for %s of %s: %s", g.written, rowCount(found.failed, found.stopped), t.table, listed(found.errors, found.failed)),
			})
		}
		for j, check := range g.checks {
			if found.bad[j] > 0 {
				findings = append(findings, inspect.Finding{
					Severity: g.severity, Code: check.code, Object: g.object, Hint: check.hint,
					Message: fmt.Sprintf("%s of %s %s: %s", rowCount(found.bad[j], found.stopped), t.table, check.says, listed(found.rows[j], found.bad[j])),
				})
			}
		}
	}
	return findings
}

func rowCount(n int64, atLeast bool) string {
	if atLeast {
		return "at least " + count(n, "row")
	}
	return count(n, "row")
}

// count is a number of things.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// listed names the rows; of n there may be more than are named.
func listed(samples []sample, n int64) string {
	var words []string
	for _, s := range samples {
		word := s.Row
		if s.Error != "" {
			word += ": " + s.Error
		}
		words = append(words, word)
	}
	if rest := n - int64(len(samples)); rest > 0 {
		words = append(words, fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(words, "; ")
}

// misfits finds the expressions that the legacy server doesn't understand.
func (t trial) misfits(ctx context.Context, tx pgx.Tx, cause error) ([]inspect.Finding, error) {
	var findings []inspect.Finding
	for _, g := range t.groups {
		for _, check := range g.checks {
			err := within(ctx, tx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "select "+check.bad+" from "+legacyRows{from: t.from}.with(g).sql()+" limit 0")
				return err
			})
			if misfit(err) {
				findings = append(findings, inspect.Finding{
					Severity: inspect.Refusal, Code: "mapping-expression", Object: g.object,
					Message: fmt.Sprintf("the legacy server can't evaluate %s: %s", g.written, oneRow(serverMessage(err))),
					Hint:    "its version may lack what a newer one has",
				})
				break
			}
		}
	}
	if len(findings) == 0 {
		return nil, cause
	}
	return findings, nil
}

// tryKeys looks for rows that meet on a unique key of the target, and for foreign keys that would end nowhere. Tables with
// rows that can't be evaluated are left out: that has been said.
func (c *Compiled) tryKeys(ctx context.Context, source *pgx.Conn, failed map[string]bool) ([]inspect.Finding, error) {
	var findings []inspect.Finding
	for _, u := range c.uniques {
		if anyFailed(u.from, failed) {
			continue
		}
		found, err := c.keyFindings(ctx, source, u.sql, func(r keyRow) string {
			return fmt.Sprintf("%s for %d rows, such as %s and %s", r.Key, r.Rows, r.First, r.Last)
		})
		if err != nil {
			return nil, fmt.Errorf("try %s: %w", u.object, err)
		}
		if found.total > 0 {
			findings = append(findings, inspect.Finding{
				Severity: inspect.Refusal, Code: "duplicate-rows", Object: u.object,
				Message: fmt.Sprintf("%s would be given to more than one row of %s: %s", count(found.total, "key"), strings.Join(u.tables, " and "), found.list),
			})
		}
	}
	for _, f := range c.foreigns {
		if anyFailed(f.from, failed) {
			continue
		}
		found, err := c.keyFindings(ctx, source, f.sql, func(r keyRow) string { return r.First + " (" + r.Key + ")" })
		if err != nil {
			return nil, fmt.Errorf("try %s: %w", f.object, err)
		}
		if found.total > 0 {
			findings = append(findings, inspect.Finding{
				Severity: inspect.Refusal, Code: "orphan-rows", Object: f.object,
				Message: fmt.Sprintf("%s of %s %s: %s", rowCount(found.total, false), f.table, f.reason, found.list),
			})
		}
	}
	return findings, nil
}

func anyFailed(from []string, failed map[string]bool) bool {
	for _, name := range from {
		if failed[name] {
			return true
		}
	}
	return false
}

// keyRow is a row of the queries that uniqueSQL and foreignSQL make.
type keyRow struct {
	Key, First, Last string
	Rows, Total      int64
}

type keysFound struct {
	total int64
	list  string
}

func (c *Compiled) keyFindings(ctx context.Context, source *pgx.Conn, sql string, say func(keyRow) string) (keysFound, error) {
	tx, err := c.begin(ctx, source)
	if err != nil {
		return keysFound{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return keysFound{}, err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[keyRow])
	if err != nil || len(keys) == 0 {
		return keysFound{}, err
	}
	samples := make([]sample, len(keys))
	for i, key := range keys {
		samples[i] = sample{Row: say(key)}
	}
	return keysFound{keys[0].Total, listed(samples, keys[0].Total)}, nil
}
