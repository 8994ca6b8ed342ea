package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"tenantctl/internal/postgres"
)

// Casts that nearly every legacy schema needs are dear or can't go wrong; what is known of them is asked of a row before they are
// tried over it.

// always is the condition of what is sure for every row.
const always = "true"

// sure is a condition over the legacy row under which a value can be evaluated, and cast back is what it was; "": none is known.
func (w *way) sure(f fill) string {
	if len(f.uses) != 1 || f.object || w.where != "" {
		return ""
	}
	column := w.from.column(f.uses[0])
	switch from, to := column.base.OID, f.column.Base.OID; {
	case from == pgtype.TimestampOID && to == pgtype.TimestamptzOID && inUTC(f.raw, column.name):
		return always
	case from == pgtype.Float8OID && to == pgtype.NumericOID:
		return decimal(f.raw, column.name)
	}
	return ""
}

// neverNull tells a value of a column that is never null: the column itself, or a cast that gives null for nothing else.
func (w *way) neverNull(f fill) bool {
	return (f.plain != "" || w.sure(f) != "") && w.from.column(f.uses[0]).notNull
}

// sureReturn is a condition over the legacy row under which an inverse gives back what was there; "": none is known.
func (w *way) sureReturn(inverse InverseColumn) string {
	for _, f := range w.fills {
		if slices.Equal(f.uses, []string{inverse.Column}) && (inUTC(inverse.SQL, f.column.Name) || asDouble(inverse.SQL, f.column.Name)) {
			return w.sure(f)
		}
	}
	return ""
}

var (
	utc       = regexp.MustCompile(`^\((.+) AT TIME ZONE 'UTC'::text\)$`)
	toDouble  = regexp.MustCompile(`^\((.+)\)::double precision$`)
	toDecimal = regexp.MustCompile(`^\((.+)\)::numeric\((\d+),(\d+)\)$`)
)

// inUTC knows an expression as PostgreSQL renders it: from a time without a zone to one with, and back, it changes only the type.
func inUTC(sql, column string) bool { return isColumn(utc.FindStringSubmatch(sql), column) }

func asDouble(sql, column string) bool { return isColumn(toDouble.FindStringSubmatch(sql), column) }

// isColumn tells whether what a pattern found is a column, which PostgreSQL renders in quotes only where it must.
func isColumn(found []string, column string) bool {
	return found != nil && (found[1] == column && !strings.ContainsAny(column, `"() `) || found[1] == postgres.Ident(column))
}

// exactDigits is how many decimal digits a double holds: with so many, it is the one nearest to its decimal form, and has no other.
const exactDigits = 15

// decimal tells doubles that are the nearest to a number of numeric(precision, scale), for a cast to that: PostgreSQL makes and reads
// a text for the cast and for its way back, which takes thirty times as long. The division gives the double nearest to its quotient.
func decimal(sql, column string) string {
	cast := toDecimal.FindStringSubmatch(sql)
	if !isColumn(cast, column) {
		return ""
	}
	precision, _ := strconv.Atoi(cast[2]) // the pattern has checked it
	scale, _ := strconv.Atoi(cast[3])
	if precision > exactDigits || scale > precision {
		return ""
	}
	name := postgres.Ident(column)
	return fmt.Sprintf("case when abs(%[1]s) < 1e%[2]d then %[1]s = round(%[1]s * 1e%[3]d::float8) / 1e%[3]d::float8 else false end", name, precision-scale, scale)
}
