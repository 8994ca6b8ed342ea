package lint

import (
	"slices"

	"tenantctl/internal/lint/parse"
)

// strength is how much a lock keeps others from.
type strength int

const (
	passes      strength = iota // reads and writes go on
	blocksWrite                 // SHARE, SHARE ROW EXCLUSIVE
	blocksAll                   // ACCESS EXCLUSIVE
)

// lock is what a statement takes on a table that was there before.
type lock struct {
	key      string
	strength strength
}

// locks are those of a statement that others wait for.
func (s *script) locks(st *statement) []lock {
	var all []lock
	add := func(r parse.RangeVar, how strength) {
		if how != passes && r.Name != "" && !s.fresh(r) {
			all = append(all, lock{r.Key(), how})
		}
	}
	switch {
	case st.AlterTableStmt != nil:
		for _, a := range st.alters {
			add(a.table, alterStrength(a))
		}
	case st.IndexStmt != nil && !st.IndexStmt.Concurrent:
		add(st.IndexStmt.Relation, blocksWrite)
	case st.CreateTrigStmt != nil:
		add(st.CreateTrigStmt.Relation, blocksWrite)
	case st.DropStmt != nil:
		s.dropLocks(st.DropStmt, add)
	case st.TruncateStmt != nil:
		for _, node := range st.TruncateStmt.Relations {
			add(node.Object(), blocksAll)
		}
	case st.LockStmt != nil:
		for _, node := range st.LockStmt.Relations {
			add(node.Object(), blocksAll)
		}
	case st.RenameStmt != nil && st.RenameStmt.Relation != nil && slices.Contains([]string{"OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_TABCONSTRAINT"}, st.RenameStmt.Type):
		add(*st.RenameStmt.Relation, blocksAll)
	case st.RefreshMatViewStmt != nil && !st.RefreshMatViewStmt.Concurrent:
		add(st.RefreshMatViewStmt.Relation, blocksAll)
	}
	return all
}

func (s *script) dropLocks(d *parse.DropStmt, add func(parse.RangeVar, strength)) {
	for _, node := range d.Objects {
		switch kindOf(d.Type) {
		case "table":
			add(node.Object(), blocksAll)
		case "index":
			if i := s.model.indexes[node.Object().Key()]; i != nil && !d.Concurrent {
				add(keyed(i.table), blocksAll)
			}
		}
	}
}

func alterStrength(a alteration) strength {
	switch a.Subtype {
	case "AT_ValidateConstraint", "AT_SetStatistics", "AT_ClusterOn", "AT_DropCluster", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_AttachPartition", "AT_ReplicaIdentity":
		return passes
	case "AT_DetachPartition":
		if p := a.Def.PartitionCmd; p != nil && p.Concurrent {
			return passes
		}
	case "AT_AddConstraint":
		if c := a.Def.Constraint; c != nil && c.Type == "CONSTR_FOREIGN" {
			return blocksWrite
		}
	case "AT_EnableTrig", "AT_DisableTrig", "AT_EnableTrigAll", "AT_DisableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigUser":
		return blocksWrite
	}
	return blocksAll
}

// slow names the table whose rows a statement reads or writes all; false where it is done at once whatever the size.
func (s *script) slow(st *statement) (key string, isSlow bool) {
	slow := func(r parse.RangeVar) (string, bool) { return r.Key(), !s.fresh(r) }
	switch {
	case st.IndexStmt != nil:
		return slow(st.IndexStmt.Relation)
	case st.RefreshMatViewStmt != nil:
		return slow(st.RefreshMatViewStmt.Relation)
	case st.UpdateStmt != nil:
		return st.UpdateStmt.Relation.Key(), s.many(st.UpdateStmt)
	case st.DeleteStmt != nil:
		return st.DeleteStmt.Relation.Key(), s.many(st.DeleteStmt)
	case st.InsertStmt != nil && st.InsertStmt.Select.SelectStmt != nil && len(st.InsertStmt.Select.SelectStmt.From) > 0:
		return st.InsertStmt.Relation.Key(), true
	}
	for _, a := range st.alters {
		if !s.fresh(a.table) && s.scans(a) {
			return a.table.Key(), true
		}
	}
	return "", false
}

// many tells whether a change may be of many rows of a table that has rows.
func (s *script) many(change *parse.ChangeStmt) bool {
	return !s.fresh(change.Relation) && !s.model.unique(change.Relation.Key(), change.Where.Equals())
}

// scans tells whether an action reads all of the table.
func (s *script) scans(a alteration) bool {
	switch a.Subtype {
	case "AT_ValidateConstraint", "AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace":
		return true
	case "AT_SetNotNull":
		return !s.model.neverNull(a.table.Key(), a.Name)
	case "AT_AlterColumnType":
		return s.typeChange(a) != binary
	case "AT_AddConstraint":
		c := a.Def.Constraint
		return c != nil && !c.SkipValidation && c.Index == ""
	}
	return false
}

// keyed is the relation behind a key.
func keyed(key string) parse.RangeVar {
	name := lastPart(key)
	r := parse.RangeVar{Name: name}
	if len(key) > len(name) {
		r.Schema = key[:len(key)-len(name)-1]
	}
	return r
}
