package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// judge has PostgreSQL compile expressions, in one transaction of the scratch database that is rolled back.
type judge struct {
	tx    pgx.Tx
	types map[uint32]scratchType
}

// relation is whose rows an expression sees.
type relation struct {
	sql     string // quoted and qualified
	shown   string // for people
	path    string // search path in which names are looked up, as SQL
	columns []string
	enums   bool // some columns are enums
}

// rule says what is asked of an expression besides being right.
type rule int

const (
	assigned   rule = iota // its value may be assigned to the column, and nothing but the row decides it
	unassigned             // its value stays as it is, and nothing but the row decides it
	converted              // any cast will do: the product's own inverse
	condition              // it is a condition
)

// expression is one that PostgreSQL has compiled: its rendering, every name qualified.
type expression struct {
	sql  string   // cast to the type in which it travels
	raw  string   // before that cast
	from BaseType // of raw
	uses []string // columns of the relation, in their order
}

// flaw is what is wrong with an expression, in words for whoever wrote it.
type flaw struct {
	message, hint string
	position      int // character of the expression, from 1; 0: not known
}

func (f *flaw) Error() string { return f.message }

// compile has an expression checked and rendered. Its error is a *flaw where the expression is at fault.
func (j *judge) compile(ctx context.Context, rel relation, sql string, to BaseType, what rule) (expression, error) {
	if err := oneExpression(sql); err != nil {
		return expression{}, err
	}
	var compiled expression
	err := j.attempt(ctx, func(tx pgx.Tx) error {
		from, err := j.describe(ctx, tx, rel, sql)
		if err != nil {
			return err
		}
		compiled.from = from
		cast := sql
		switch what {
		case assigned:
			if err := j.assignable(ctx, tx, rel, sql, from, to); err != nil {
				return err
			}
			cast = carried(sql, from, to)
		case converted:
			cast = carried(sql, from, to)
		case condition:
			if from.OID != pgtype.BoolOID {
				return &flaw{message: fmt.Sprintf("is of type %s; a condition is boolean", from.Written)}
			}
		}
		if err := render(ctx, tx, rel, sql, cast, &compiled); err != nil {
			return err
		}
		return stillNow(sql, compiled.sql)
	})
	if err == nil {
		err = j.immutable(ctx, rel, sql, compiled.from, to, what)
	}
	return compiled, err
}

// standIn makes a table with the columns of a partitioned one and its name: constraints on that would go down to each partition.
func (j *judge) standIn(ctx context.Context, t *legacyTable) (string, error) {
	name := postgres.Ident(targetSchema+"_row", t.Name)
	sql := "create schema if not exists " + targetSchema + "_row; drop table if exists " + name + "; create table " + name + " (like " + t.sql() + ")"
	if err := postgres.Script(ctx, j.tx, sql); err != nil {
		return "", fmt.Errorf("make a table like %s in the scratch database: %w", t, err)
	}
	return name, nil
}

// attempt runs work in a savepoint that is always rolled back.
func (j *judge) attempt(ctx context.Context, work func(pgx.Tx) error) error {
	inner, err := j.tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("savepoint in the scratch database: %w", err)
	}
	workErr := work(inner)
	if err := inner.Rollback(context.WithoutCancel(ctx)); err != nil && workErr == nil {
		return fmt.Errorf("roll back in the scratch database: %w", err)
	}
	return workErr
}

// oneExpression refuses text that could end the parentheses around it.
func oneExpression(sql string) error {
	depth := 0
	for token := range lexer.Tokens(sql) {
		switch {
		case token.Unterminated:
			return &flaw{message: "has a quote or comment that isn't closed", position: characters(sql[:token.Pos]) + 1}
		case token.IsSymbol("("):
			depth++
		case token.IsSymbol(")"):
			depth--
		}
		if depth < 0 || token.IsSymbol(";") || token.Kind == lexer.Parameter {
			return &flaw{message: fmt.Sprintf("has a %s that doesn't belong there", token.Text), position: characters(sql[:token.Pos]) + 1}
		}
	}
	if depth > 0 {
		return &flaw{message: "has a parenthesis that isn't closed"}
	}
	return nil
}

func characters(s string) int { return utf8.RuneCountInString(s) }

// describe parses the expression and gives its type.
func (j *judge) describe(ctx context.Context, tx pgx.Tx, rel relation, sql string) (BaseType, error) {
	if _, err := tx.Exec(ctx, "set local search_path = "+rel.path); err != nil {
		return BaseType{}, fmt.Errorf("set the search path: %w", err)
	}
	const prefix = "select ("
	statement, err := tx.Conn().Prepare(ctx, "", prefix+sql+"\n) from only "+rel.sql)
	if err != nil {
		return BaseType{}, explain(err, rel, sql, characters(prefix))
	}
	field := statement.Fields[0]
	if j.types[field.DataTypeOID].Kind == "p" {
		return BaseType{}, &flaw{message: "gives a row where one value belongs"}
	}
	return j.typeOf(field.DataTypeOID, field.TypeModifier), nil
}

// assignable asks whether an INSERT would take the value.
func (j *judge) assignable(ctx context.Context, tx pgx.Tx, rel relation, sql string, from, to BaseType) error {
	if !to.builtin() || from.OID == to.OID {
		return nil
	}
	table := fmt.Sprintf("pg_temp.tenantctl_assign_%d", to.OID)
	if _, err := tx.Exec(ctx, "create temp table "+table[len("pg_temp."):]+" (value "+to.sql()+")"); err != nil {
		return fmt.Errorf("make a table of type %s in the scratch database: %w", to.Name, err)
	}
	_, err := tx.Conn().Prepare(ctx, "", "insert into "+table+" select ("+sql+"\n) from only "+rel.sql)
	if postgres.Code(err) == "42804" {
		return &flaw{
			message: fmt.Sprintf("is of type %s, which can't be assigned to a column of type %s", from.Written, to.Written),
			hint:    "cast it where that is what you mean: (" + sql + ")::" + to.Written,
		}
	}
	return explain(err, rel, sql, 0)
}

// render has PostgreSQL store the expression and its cast in CHECK constraints, reads them back and sees which columns they
// use. num_nulls takes a value of any type and returns a number, whatever the value.
func render(ctx context.Context, tx pgx.Tx, rel relation, sql, cast string, into *expression) error {
	check := fmt.Sprintf("alter table %s add constraint tenantctl_raw check ((num_nulls((%s\n)) = 0)) not valid,"+
		" add constraint tenantctl_cast check ((num_nulls((%s\n)) = 0)) not valid", rel.sql, sql, cast)
	if _, err := tx.Exec(ctx, check); err != nil {
		return explain(err, rel, sql, 0)
	}
	if _, err := tx.Exec(ctx, "set local search_path = ''"); err != nil {
		return fmt.Errorf("set the search path: %w", err)
	}
	var rendered []string
	var text string
	var wholeRow bool
	err := postgres.Each(ctx, tx, `
		select pg_get_expr(c.conbin, c.conrelid), coalesce(0 = any(c.conkey), false),
			array(select a.attname::text from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any(c.conkey) order by a.attnum)
		from pg_constraint c
		where c.conrelid = $1::regclass and c.conname in ('tenantctl_raw', 'tenantctl_cast')
		order by c.conname`, []any{rel.sql}, []any{&text, &wholeRow, &into.uses}, func() error {
		text = strings.TrimSuffix(strings.TrimPrefix(text, "(num_nulls("), ") = 0)")
		rendered = append(rendered, text)
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("read a compiled expression: %w", err)
	case len(rendered) != 2:
		return fmt.Errorf("read a compiled expression: %d constraints instead of 2", len(rendered))
	case wholeRow:
		return &flaw{message: "takes the row as a whole; name the columns, so that it is known which are carried"}
	}
	into.sql, into.raw = rendered[0], rendered[1]
	return nil
}

// immutable proves that nothing but the row decides the value: an index predicate takes nothing else. A cast to text that the
// product adds itself is exempt: sessions that copy and verify have pinned settings.
func (j *judge) immutable(ctx context.Context, rel relation, sql string, from, to BaseType, what rule) error {
	if what == converted {
		return nil
	}
	if err := j.indexable(ctx, rel, sql); err != nil {
		return err
	}
	if what != assigned || to.isText() || from.OID == to.OID {
		return nil
	}
	err := j.indexable(ctx, rel, carried(sql, from, to))
	var wrong *flaw
	if errors.As(err, &wrong) && isClock(from) && isClock(to) {
		return &flaw{
			message: fmt.Sprintf("is of type %s and the column of type %s: the time zone of the session would decide the value", from.Written, to.Written),
			hint:    fmt.Sprintf("name the zone that the legacy meant: (%s) at time zone 'UTC'", sql),
		}
	}
	return err
}

func isClock(t BaseType) bool {
	return slices.Contains([]uint32{
		pgtype.DateOID, pgtype.TimeOID, pgtype.TimetzOID, pgtype.TimestampOID, pgtype.TimestamptzOID,
	}, t.OID)
}

// indexable tries the expression as an index predicate. An enum's text is held to be mutable by PostgreSQL, since labels can
// be renamed; so an expression that fails is tried again over a row that has text in place of enums.
func (j *judge) indexable(ctx context.Context, rel relation, sql string) error {
	predicate := func(table string) string {
		return "create index on only " + table + " ((1)) where (num_nulls((" + sql + "\n)) = 0)"
	}
	err := j.attempt(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "set local search_path = "+rel.path+"; "+predicate(rel.sql), pgx.QueryExecModeSimpleProtocol)
		return err
	})
	if err == nil || postgres.Code(err) != "42P17" || !rel.enums {
		return explain(err, rel, sql, 0)
	}
	again := j.attempt(ctx, func(tx pgx.Tx) error {
		table, err := enumsAsText(ctx, tx, rel)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "set local search_path = "+rel.path+"; "+predicate(table), pgx.QueryExecModeSimpleProtocol)
		return err
	})
	var pgErr *pgconn.PgError
	if again == nil || !errors.As(again, &pgErr) {
		return again
	}
	return explain(err, rel, sql, 0)
}

// enumsAsText makes a table like the relation, with text in place of its enums.
func enumsAsText(ctx context.Context, tx pgx.Tx, rel relation) (string, error) {
	var columns, name string
	err := tx.QueryRow(ctx, `
		select string_agg(format('%I %s', a.attname,
				case when e.oid is not null then case when t.typelem <> 0 then 'text[]' else 'text' end else format_type(a.atttypid, a.atttypmod) end),
			', ' order by a.attnum), c.relname
		from pg_class c
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		join pg_type t on t.oid = a.atttypid
		left join pg_type e on e.oid in (t.oid, t.typelem, t.typbasetype) and e.typtype = 'e'
		where c.oid = $1::regclass
		group by c.relname`, rel.sql).Scan(&columns, &name)
	if err == nil {
		_, err = tx.Exec(ctx, "create temp table "+postgres.Ident(name)+" ("+columns+")")
	}
	if err != nil {
		return "", fmt.Errorf("make a table like %s in the scratch database: %w", rel.shown, err)
	}
	return "pg_temp." + postgres.Ident(name), nil
}
