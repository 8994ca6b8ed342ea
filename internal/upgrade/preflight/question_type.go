package preflight

import (
	"fmt"

	"tenantctl/internal/postgres"
)

// casts are values that a column's new type doesn't take.
type casts struct {
	column, typ string
	length      int // above which a text is refused; 0 is any
	only        bool
}

func (casts) kind() Kind          { return Casts }
func (casts) others() []tableName { return nil }

// ask casts every value where it can't count the bad ones right away: that fails at the first of them.
func (q casts) ask(at place) string {
	if !at.has(q.column) {
		return ""
	}
	column := postgres.Ident(q.column)
	if q.length > 0 {
		return at.bad(fmt.Sprintf("select %s from %s where rtrim(substr(%s::text, %d), ' ') <> ''",
			at.table.key(at.table.Name), at.table.sql(q.only), column, q.length+1))
	}
	return fmt.Sprintf("select 0 * count(%s::%s), '[]'::json from %s", column, q.typ, at.table.sql(q.only))
}

// The settings by which a block hands its result on: it has no other way.
const (
	countSetting   = "tenantctl.preflight_count"
	samplesSetting = "tenantctl.preflight_samples"
)

// recount is the way to tell which values fail, taken where some do: one by one, each in a subtransaction.
func (q casts) recount(at place) string {
	column := postgres.Ident(at.table.Name, q.column)
	block := fmt.Sprintf(`#variable_conflict use_column
declare
  r record;
  n bigint := 0;
  samples text[] := '{}';
begin
  for r in select %s as k, %s as v from %s loop
    begin
      perform r.v::%s;
    exception when data_exception or integrity_constraint_violation then
      n := n + 1;
      if r.k is not null and n <= %d then
        samples := samples || r.k;
      end if;
      exit when n > %d;
    end;
  end loop;
  perform set_config('%s', n::text, true), set_config('%s', to_json(samples)::text, true);
end`, at.table.key(at.table.Name), column, at.table.sql(q.only), q.typ, at.Samples, at.Limit, countSetting, samplesSetting)
	return fmt.Sprintf("do %s; select current_setting('%s')::bigint, current_setting('%s')::json", postgres.Literal(block), countSetting, samplesSetting)
}

func (q casts) found(a Amount, table string) string {
	return fmt.Sprintf("%s of %s a value in %s that %s doesn't take", a.rows(), table+a.verb(" has", " have"), q.column, q.typ)
}

func (q casts) next(table string) string {
	return fmt.Sprintf("change those values of %s.%s, or say in USING what becomes of them", table, q.column)
}

// rewrite writes the whole table anew while it is locked. The zero value always does.
type rewrite struct {
	adds  string   // the column that is added
	calls []string // functions in its default; it is rewritten where one of them is volatile

	column, typ string // the column whose type changes, which rewrites most tables
	length      int    // or precision, of its new type; 0 none
	scale       int
	computed    bool // from an expression
}

func (rewrite) kind() Kind          { return Rewrite }
func (rewrite) others() []tableName { return nil }

// ask gives the table's size with its indexes, which are written anew as well; 0 where nothing is.
func (q rewrite) ask(at place) string {
	condition := "true"
	switch {
	case q.adds != "" && at.has(q.adds), q.column != "" && !at.has(q.column):
		return ""
	case len(q.calls) > 0:
		condition = "exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.provolatile = 'v' and n.nspname = any (current_schemas(true)) and p.proname = any (" + textArray(q.calls) + "))"
	case q.column != "" && !q.computed:
		condition = q.changes(at)
	}
	table := postgres.Literal(at.table.sql(false))
	return fmt.Sprintf("select case when %s then (select coalesce(sum(pg_total_relation_size(c)), 0) from (select %s::regclass union select relid from pg_partition_tree(%s)) as t (c)) else 0 end::bigint, '[]'::json",
		condition, table, table)
}

// changes is the condition under which a new type makes the rows anew: not where the old values are binary the same, or the type
// only got wider.
func (q rewrite) changes(at place) string {
	return fmt.Sprintf(`(select coalesce(case
		when o.typtype = 'd' or n.typtype = 'd' then false
		when n.oid = o.oid and %[1]d = 0 then false
		when n.oid = o.oid and o.typname = 'varchar' then a.atttypmod < 0 or %[1]d < a.atttypmod - 4
		when n.oid = o.oid and o.typname = 'numeric' then a.atttypmod < 0 or (a.atttypmod - 4) & 2047 <> %[5]d or %[1]d < ((a.atttypmod - 4) >> 16) & 65535
		when n.oid = o.oid and format_type(a.atttypid, a.atttypmod) = lower(%[2]s) then false
		when %[1]d = 0 and exists (select from pg_cast c where c.castsource = o.oid and c.casttarget = n.oid and c.castmethod = 'b') then false
		when o.typname = 'varchar' and n.typname = 'text' then false
		else true end, false)
		from pg_attribute a join pg_type o on o.oid = a.atttypid left join pg_type n on n.oid = to_regtype(%[2]s)
		where a.attrelid = %[3]s::regclass and a.attname = %[4]s)`,
		q.length, postgres.Literal(q.typ), postgres.Literal(at.table.sql(false)), postgres.Literal(q.column), q.scale)
}

func textArray(names []string) string {
	sql := "array["
	for i, name := range names {
		if i > 0 {
			sql += ", "
		}
		sql += postgres.Literal(name)
	}
	return sql + "]::text[]"
}

func (q rewrite) found(a Amount, table string) string {
	return fmt.Sprintf("%s, %s with its indexes, is written anew while nobody can read it: about %s at %s/s",
		table, size(a.Bytes), a.Takes, size(a.rate))
}

func (q rewrite) next(string) string {
	return "choose a window, or change it in steps: a new column, filled in batches, that takes the old one's place"
}
