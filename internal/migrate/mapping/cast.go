package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// firstLooseOID is the first OID that may differ from server to server.
const firstLooseOID = 12000

const (
	numericHeader = 4 // added to the modifiers of numeric and of the character types
	scaleMask     = 0x7ff
	scaleSign     = 0x400
)

// builtin tells a type that every server has under the same OID.
func (t BaseType) builtin() bool { return t.Schema == "pg_catalog" && t.OID < firstLooseOID }

// sql is the type in which values travel: the type itself without its modifier, text for a type that one side doesn't know.
func (t BaseType) sql() string {
	if !t.builtin() {
		return `pg_catalog."text"`
	}
	return `pg_catalog."` + t.Name + `"` // quoted, since char and bit without quotes mean char(1) and bit(1)
}

func (t BaseType) isText() bool {
	return !t.builtin() || slices.Contains([]uint32{pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID}, t.OID)
}

func (t BaseType) isInteger() bool {
	return slices.Contains([]uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID}, t.OID)
}

// integerDigits is how many digits an integer has at most; as good as endless for all other types.
func (t BaseType) integerDigits() int32 {
	switch t.OID {
	case pgtype.Int2OID:
		return 5
	case pgtype.Int4OID:
		return 10
	case pgtype.Int8OID:
		return 19
	}
	return 1 << 20
}

// digits are precision and scale of numeric(precision, scale).
func (t BaseType) digits() (precision, scale int32) {
	bits := t.Modifier - numericHeader
	return bits >> 16 & 0xffff, (bits&scaleMask ^ scaleSign) - scaleSign
}

// length is the n of varchar(n) and char(n).
func (t BaseType) length() int32 { return t.Modifier - numericHeader }

// carried is the expression as it travels to a column of type to: cast, but never rounded or cut. Where a type has several
// forms of one value (1.5 and 1.50, blanks at the end), a value that fits takes the form in which the column keeps it.
func carried(sql string, from, to BaseType) string {
	value := "cast((" + sql + "\n) as " + to.sql() + ")"
	if to.Modifier < 0 || !to.builtin() || from.OID == to.OID && from.Modifier == to.Modifier {
		return value
	}
	switch {
	case to.OID == pgtype.NumericOID:
		return scaled(value, from, to)
	case to.OID == pgtype.BPCharOID:
		return fmt.Sprintf("case when char_length(%s) <= %d then cast(%s as pg_catalog.bpchar(%d)) else %s end", value, to.length(), value, to.length(), value)
	case isArray(to):
		fitted := "cast(" + value + " as " + to.Written + ")"
		return fmt.Sprintf("case when %s = %s then %s else %s end", value, fitted, fitted, value)
	}
	return value
}

// scaled gives a number the number of digits that numeric(precision, scale) keeps, which is part of its form. Adding 0.00 adds
// zeros and never takes a digit away; a number that may have zeros too many is rounded, if that leaves it equal.
func scaled(value string, from, to BaseType) string {
	_, scale := to.digits()
	_, have := from.digits()
	constrained := from.OID == pgtype.NumericOID && from.Modifier >= 0
	if constrained && have == scale {
		return value
	}
	if scale >= 0 && (constrained && have <= scale || from.OID != pgtype.NumericOID) {
		if scale == 0 {
			return value
		}
		return value + " + 0." + strings.Repeat("0", int(scale))
	}
	rounded := fmt.Sprintf("round(%s, %d)", value, scale)
	return fmt.Sprintf("case when %s = %s then %s else %s end", value, rounded, rounded, value)
}

func isArray(t BaseType) bool { return len(t.Name) > 1 && t.Name[0] == '_' }

// exact tells whether every value of one type is one of the other, so that a cast can't lose anything.
func exact(from, to BaseType) bool {
	if from.OID == to.OID || to.isText() && to.OID != pgtype.NameOID || !from.builtin() {
		return true
	}
	wider := map[uint32][]uint32{
		pgtype.Int2OID:   {pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID},
		pgtype.Int4OID:   {pgtype.Int8OID, pgtype.NumericOID, pgtype.Float8OID},
		pgtype.Int8OID:   {pgtype.NumericOID},
		pgtype.Float4OID: {pgtype.Float8OID},
		pgtype.DateOID:   {pgtype.TimestampOID},
		pgtype.CIDROID:   {pgtype.InetOID},
		pgtype.BitOID:    {pgtype.VarbitOID},
	}
	return slices.Contains(wider[from.OID], to.OID)
}

// compares tells types whose values are compared by value: 1.5 is 1.50 there. All others are compared as text.
func compares(t BaseType) bool {
	return t.isInteger() || slices.Contains([]uint32{
		pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID, pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.TimeOID,
	}, t.OID)
}

// overflow is the condition under which a value doesn't fit the modifier of its column; "" where every value does.
func overflow(value string, from, to BaseType) string {
	if to.Modifier < 0 || !to.builtin() {
		return ""
	}
	same := from.OID == to.OID && from.Modifier >= 0
	switch to.OID {
	case pgtype.NumericOID:
		precision, scale := to.digits()
		if have, digits := from.digits(); same && digits <= scale && have-digits <= precision-scale || from.integerDigits() <= precision-scale && scale >= 0 {
			return ""
		}
		return fmt.Sprintf("(%s) <> 'NaN' and ((%s) <> round((%s), %d) or abs(%s) >= power(10::numeric, %d))", value, value, value, scale, value, precision-scale)
	case pgtype.VarcharOID, pgtype.BPCharOID:
		if same && from.length() <= to.length() {
			return ""
		}
		return fmt.Sprintf("char_length(%s) > %d", value, to.length())
	case pgtype.BitOID:
		if same && from.Modifier == to.Modifier {
			return ""
		}
		return fmt.Sprintf("length(%s) <> %d", value, to.Modifier)
	case pgtype.VarbitOID:
		if same && from.Modifier <= to.Modifier {
			return ""
		}
		return fmt.Sprintf("length(%s) > %d", value, to.Modifier)
	}
	if same && from.Modifier == to.Modifier {
		return ""
	}
	return fmt.Sprintf("cast((%s) as %s) is distinct from (%s)", value, to.Written, value)
}
