package mapping

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// each goes through the rows of some pages one by one on the server, in a PL/pgSQL block that traps the error of each. The block
// writes nothing: what it found comes back in a setting of the transaction.
func (t trial) each(ctx context.Context, tx pgx.Tx, pages string, tallies []tally) error {
	block := t.block(pages)
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
		tallies[i].failed += found.Failed[i]
		for j := range tallies[i].bad {
			tallies[i].bad[j] += found.Bad[next]
			next++
		}
	}
	for _, s := range found.Samples {
		into := &tallies[s.Group-1].errors
		if s.Check > 0 {
			into = &tallies[s.Group-1].rows[s.Check-1]
		}
		if len(*into) < mostListed {
			*into = append(*into, sample{s.Row, s.Error})
		}
	}
	return nil
}

// block is that PL/pgSQL block. A row is read again by its ctid, so that expressions see its columns by their own names;
// variables have names that no column has, and where one does have them, the column wins. Only a row that is bad or fails is
// looked at group by group.
func (t trial) block(pages string) string {
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
	tenantctl_look boolean;
	tenantctl_bad boolean[];
	tenantctl_failed bigint[] := array_fill(0::bigint, array[%[1]d]);
	tenantctl_count bigint[] := array_fill(0::bigint, array[%[2]d]);
	tenantctl_samples jsonb := '[]';
begin
	for tenantctl_row in select ctid as tenantctl_ctid, %[3]s as tenantctl_name from only %[4]s where %[9]s loop
		begin
			select %[8]s into tenantctl_look from %[10]s;
			continue when tenantctl_look is not true;
		exception when others then
			null; -- looked at below
		end;
		begin
			select (%[5]s) into tenantctl_look from only %[4]s where ctid = tenantctl_row.tenantctl_ctid;
		exception when others then
			tenantctl_look := false;
			tenantctl_failed[%[1]d] := tenantctl_failed[%[1]d] + 1;
			if tenantctl_failed[%[1]d] <= %[6]d then
				tenantctl_samples := tenantctl_samples || jsonb_build_object('Group', %[1]d, 'Check', 0, 'Row', tenantctl_row.tenantctl_name, 'Error', sqlerrm);
			end if;
		end;
		if tenantctl_look then
%[7]s
		end if;
	end loop;
	perform set_config('tenantctl.found', jsonb_build_object('Failed', tenantctl_failed, 'Bad', tenantctl_count, 'Samples', tenantctl_samples)::text, true);
end
`, len(t.groups)+1, max(checks, 1), t.key, t.from, filter, mostListed, body.String(), anyOf(conditions(t.groups)), pages, t.rows(rowAtHand, t.groups...).sql())
}

// rowAtHand is the condition that only the row in the block's variable meets.
const rowAtHand = "ctid = tenantctl_row.tenantctl_ctid"

// groupBlock evaluates one group for the row at hand. first is how many checks come before it.
func (t trial) groupBlock(number, first int, g group) string {
	unfiltered := legacyRows{from: t.from, where: []string{rowAtHand}}.with(g)
	return fmt.Sprintf(`
			begin
				select array[%[1]s]::boolean[] into tenantctl_bad from %[2]s;
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
			end;`, strings.Join(conditions([]group{g}), ", "), unfiltered.sql(), len(g.checks), first, mostListed, number)
}
