package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// each goes through the rows one by one on the server, in a PL/pgSQL block that traps the error of each. The block writes
// nothing: what it found comes back in a setting of the transaction.
func (t trial) each(ctx context.Context, tx pgx.Tx, tallies []tally) error {
	block := t.block()
	tag := "$tenantctl$"
	for n := 1; strings.Contains(block, tag); n++ {
		tag = fmt.Sprintf("$tenantctl_%d$", n)
	}
	if _, err := tx.Exec(ctx, "do language plpgsql "+tag+block+tag, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	var text string
	if err := tx.QueryRow(ctx, "select current_setting('tenantctl.found')").Scan(&text); err != nil {
		return fmt.Errorf("read what was found: %w", err)
	}
	var found struct {
		Failed  []int64
		Bad     []int64
		Samples []struct {
			Group, Check int
			Row, Error   string
		}
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return fmt.Errorf("read what was found: %w", err)
	}
	next := 0
	for i := range tallies {
		tallies[i].failed = found.Failed[i]
		for j := range tallies[i].bad {
			tallies[i].bad[j] = found.Bad[next]
			next++
		}
	}
	for _, s := range found.Samples {
		if s.Check == 0 {
			tallies[s.Group-1].errors = append(tallies[s.Group-1].errors, sample{s.Row, s.Error})
			continue
		}
		rows := &tallies[s.Group-1].rows[s.Check-1]
		*rows = append(*rows, sample{Row: s.Row})
	}
	return nil
}

// block is that PL/pgSQL block. A row is read again by its ctid, so that expressions see its columns by their own names;
// variables have names that no column has, and where one does have them, the column wins.
func (t trial) block() string {
	groups := len(t.groups) + 1
	checks := 0
	var body strings.Builder
	for i, g := range t.groups {
		body.WriteString(t.groupBlock(i+1, checks, g))
		checks += len(g.checks)
	}
	filter := "true"
	if t.where != "" {
		filter = t.where
	}
	return fmt.Sprintf(`
#variable_conflict use_column
declare
	tenantctl_row record;
	tenantctl_pass boolean;
	tenantctl_bad boolean[];
	tenantctl_failed bigint[] := array_fill(0::bigint, array[%[1]d]);
	tenantctl_count bigint[] := array_fill(0::bigint, array[%[2]d]);
	tenantctl_samples jsonb := '[]';
begin
	for tenantctl_row in select ctid as tenantctl_ctid, %[3]s as tenantctl_name from only %[4]s loop
		begin
			select (%[5]s) into tenantctl_pass from only %[4]s where ctid = tenantctl_row.tenantctl_ctid;
		exception when others then
			tenantctl_pass := false;
			tenantctl_failed[%[1]d] := tenantctl_failed[%[1]d] + 1;
			if tenantctl_failed[%[1]d] <= %[6]d then
				tenantctl_samples := tenantctl_samples || jsonb_build_object('Group', %[1]d, 'Check', 0, 'Row', tenantctl_row.tenantctl_name, 'Error', sqlerrm);
			end if;
		end;
		if tenantctl_pass then
%[7]s
		end if;
	end loop;
	perform set_config('tenantctl.found', jsonb_build_object('Failed', tenantctl_failed, 'Bad', tenantctl_count, 'Samples', tenantctl_samples)::text, true);
end
`, groups, max(checks, 1), t.key, t.from, filter, mostListed, body.String())
}

// groupBlock evaluates one group for the row at hand. first is how many checks come before it.
func (t trial) groupBlock(number, first int, g group) string {
	conditions := make([]string, len(g.checks))
	for i, check := range g.checks {
		conditions[i] = "(" + check.bad + ")"
	}
	return fmt.Sprintf(`
			begin
				select array[%[1]s]::boolean[] into tenantctl_bad from only %[2]s where ctid = tenantctl_row.tenantctl_ctid;
				for tenantctl_n in 1 .. %[3]d loop
					if tenantctl_bad[tenantctl_n] then
						tenantctl_count[%[4]d + tenantctl_n] := tenantctl_count[%[4]d + tenantctl_n] + 1;
						if tenantctl_count[%[4]d + tenantctl_n] <= %[5]d then
							tenantctl_samples := tenantctl_samples || jsonb_build_object('Group', %[6]d, 'Check', tenantctl_n, 'Row', tenantctl_row.tenantctl_name);
						end if;
					end if;
				end loop;
			exception when others then
				tenantctl_failed[%[6]d] := tenantctl_failed[%[6]d] + 1;
				if tenantctl_failed[%[6]d] <= %[5]d then
					tenantctl_samples := tenantctl_samples || jsonb_build_object('Group', %[6]d, 'Check', 0, 'Row', tenantctl_row.tenantctl_name, 'Error', sqlerrm);
				end if;
			end;`, strings.Join(conditions, ", "), t.from, len(g.checks), first, mostListed, number)
}

// mostQueries bounds the search without PL/pgSQL: where nearly every row fails, it gives up counting.
const mostQueries = 20_000

// bisect finds the rows without PL/pgSQL: ranges of pages that fail are halved down to one row.
func (t trial) bisect(ctx context.Context, tx pgx.Tx, tallies []tally) error {
	var pages int64
	err := tx.QueryRow(ctx, "select pg_relation_size($1::regclass) / current_setting('block_size')::int", t.from).Scan(&pages)
	if err != nil {
		return fmt.Errorf("read the size of the table: %w", err)
	}
	queries := 0
	if err := t.halve(ctx, tx, tallies, 0, pages, &queries); err != nil {
		return err
	}
	for i := range tallies {
		tallies[i].stopped = queries > mostQueries
	}
	return nil
}

func (t trial) halve(ctx context.Context, tx pgx.Tx, tallies []tally, from, to int64, queries *int) error {
	if from >= to || *queries > mostQueries {
		return nil
	}
	*queries++
	extra := fmt.Sprintf("ctid >= '(%d,0)'::tid and ctid < '(%d,0)'::tid", from, to)
	err := within(ctx, tx, func(tx pgx.Tx) error { return t.scan(ctx, tx, extra, tallies) })
	switch {
	case err == nil || !rowsAtFault(err):
		return err
	case to-from == 1:
		return t.page(ctx, tx, tallies, extra, queries)
	}
	middle := (from + to) / 2
	if err := t.halve(ctx, tx, tallies, from, middle, queries); err != nil {
		return err
	}
	return t.halve(ctx, tx, tallies, middle, to, queries)
}

// page tries the rows of one page.
func (t trial) page(ctx context.Context, tx pgx.Tx, tallies []tally, extra string, queries *int) error {
	rows, err := tx.Query(ctx, "select ctid::text, "+t.key+" from only "+t.from+" where "+extra)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sample])
	if err != nil {
		return err
	}
	for _, row := range found {
		if *queries++; *queries > mostQueries {
			return nil
		}
		extra := "ctid = '" + row.Row + "'::tid"
		err := within(ctx, tx, func(tx pgx.Tx) error { return t.scan(ctx, tx, extra, tallies) })
		if rowsAtFault(err) {
			err = t.row(ctx, tx, tallies, extra, row.Error)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// row finds the groups that fail for one row.
func (t trial) row(ctx context.Context, tx pgx.Tx, tallies []tally, extra, name string) error {
	last := len(t.groups)
	alone := trial{from: t.from, where: t.where, key: t.key}
	err := within(ctx, tx, func(tx pgx.Tx) error { return alone.scan(ctx, tx, extra, nil) })
	if rowsAtFault(err) {
		tallies[last].fail(name, err)
		return nil
	}
	for i, g := range t.groups {
		if err != nil {
			return err
		}
		alone.groups = []group{g}
		err = within(ctx, tx, func(tx pgx.Tx) error { return alone.scan(ctx, tx, extra, tallies[i:i+1]) })
		if rowsAtFault(err) {
			tallies[i].fail(name, err)
			err = nil
		}
	}
	return err
}

func (t *tally) fail(row string, err error) {
	t.failed++
	if len(t.errors) < mostListed {
		t.errors = append(t.errors, sample{row, serverMessage(err)})
	}
}

// serverMessage is what the server says, without its SQLSTATE.
func serverMessage(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Message
	}
	return err.Error()
}
