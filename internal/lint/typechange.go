package lint

import (
	"slices"

	"tenantctl/internal/lint/parse"
)

// change is what becomes of a table's rows when a column's type changes.
type change int

const (
	unknown change = iota // the old type isn't known
	binary                // the rows stay as they are
	rewrite               // they are written anew, or each is read
)

// typeChange tells what ALTER COLUMN TYPE does.
func (s *script) typeChange(a alteration) change {
	def := a.Def.ColumnDef
	if def == nil {
		return unknown
	}
	if def.RawDefault.Given() && def.RawDefault.Column() != a.Name {
		return rewrite // USING computes something
	}
	old := s.model.columnOf(a.table.Key(), a.Name)
	if old == nil || old.kind == nil {
		return unknown
	}
	if compatible(old.kind, def.Type) {
		return binary
	}
	return rewrite
}

// compatible knows the changes for which PostgreSQL leaves the rows alone: lengths and precisions that grow, and text instead of
// varchar.
func compatible(from, to *parse.TypeName) bool {
	if len(from.ArrayBounds) != 0 || len(to.ArrayBounds) != 0 {
		return from.String() == to.String()
	}
	old, wanted := from.Modifiers(), to.Modifiers()
	switch a, b := from.Base(), to.Base(); {
	case a == "varchar" && b == "varchar", a == "varbit" && b == "varbit", a == b && slices.Contains(timed(), a):
		return len(wanted) == 0 || len(old) == 1 && wanted[0] >= old[0]
	case (a == "varchar" || a == "text") && b == "text", a == "text" && b == "varchar" && len(wanted) == 0, a == "cidr" && b == "inet":
		return true
	case a == "numeric" && b == "numeric":
		return widerNumeric(old, wanted)
	default:
		return a == b && slices.Equal(old, wanted)
	}
}

// timed are the types whose number is the precision of their seconds.
func timed() []string { return []string{"timestamp", "timestamptz", "time", "timetz"} }

// widerNumeric: more digits before the point, as many behind it.
func widerNumeric(old, wanted []int64) bool {
	if len(wanted) == 0 {
		return true
	}
	if len(old) == 0 || wanted[0] < old[0] {
		return false
	}
	return scale(old) == scale(wanted)
}

func scale(modifiers []int64) int64 {
	if len(modifiers) < 2 {
		return 0
	}
	return modifiers[1]
}
