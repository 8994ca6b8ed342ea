package core

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
)

// StatementKind is the kind of job that adds a month's invoices up.
const StatementKind = "statement"

// statementOf are the arguments of such a job.
type statementOf struct {
	Month string `json:"month,omitempty"` // "2026-10"; empty: the one before that in which the job was asked for
}

// Statement is the result of such a job.
type Statement struct {
	Month string `json:"month"`
	Sums  []Sum  `json:"sums"` // by currency
}

// Sum is what the invoices of one currency come to.
type Sum struct {
	Currency string `json:"currency"`
	Invoices int64  `json:"invoices"`
	Net      string `json:"net"`
	Tax      string `json:"tax"`
	Paid     string `json:"paid"` // of net and tax together
}

// statementSQL adds up what was issued from $1 to before $2. What is void or a draft was never owed.
const statementSQL = `select currency, count(*), sum(net)::text, sum(tax)::text, coalesce(sum(net + tax) filter (where status = 'paid'), 0)::text
	from invoices where issued_on >= $1 and issued_on < $2 and status in ('issued', 'paid') group by currency order by currency`

// Kinds are the jobs that core does.
func Kinds() []jobs.Kind {
	return []jobs.Kind{{Name: StatementKind, Length: jobs.Short, Do: state}, {Name: ExportKind, Length: jobs.Long, Do: export}}
}

// state makes a statement.
func state(ctx context.Context, task *jobs.Task) error {
	var of statementOf
	if err := json.Unmarshal(task.Arguments, &of); err != nil {
		return jobs.Permanent(fmt.Errorf("arguments: %w", err))
	}
	return task.Complete(ctx, func(ctx context.Context, tx scope.Tx) (any, error) {
		if of.Month == "" {
			last := `select to_char(created_at at time zone 'UTC' - interval '1 month', 'YYYY-MM') from jobs.job where id = $1::uuid`
			if err := tx.QueryRow(ctx, last, task.ID).Scan(&of.Month); err != nil {
				return nil, err
			}
		}
		return addUp(ctx, tx, of.Month)
	})
}

func addUp(ctx context.Context, tx scope.Tx, month string) (Statement, error) {
	from, err := time.Parse("2006-01", month)
	if err != nil {
		return Statement{}, jobs.Permanent(fmt.Errorf("month: %w", err))
	}
	made := Statement{Month: month, Sums: []Sum{}}
	rows, err := tx.Query(ctx, statementSQL, from, from.AddDate(0, 1, 0))
	if err != nil {
		return made, fmt.Errorf("add up %s: %w", month, err)
	}
	defer rows.Close()
	for rows.Next() {
		var of Sum
		if err := rows.Scan(&of.Currency, &of.Invoices, &of.Net, &of.Tax, &of.Paid); err != nil {
			return made, err
		}
		made.Sums = append(made.Sums, of)
	}
	return made, rows.Err()
}
