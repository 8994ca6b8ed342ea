package lint

import (
	"slices"

	"tenantctl/internal/lint/parse"
)

// model is the schema as far as the files up to a statement tell: enough to know what a change changes. What they don't tell
// (tables of other streams, changes made by functions) isn't in it, and rules treat it as unknown.
type model struct {
	tables   map[string]*table
	indexes  map[string]*index
	types    map[string]*custom
	routines map[string][]string // signatures by name
	versions map[string]uint64   // the version that made an object, by kind and key
	parents  map[string]string   // partitions and children, by key
}

type table struct {
	columns     map[string]*column
	checks      map[string]*check
	keys        [][]string // columns that are unique together
	indexes     []string
	foreign     []foreign
	partitioned bool
}

type column struct {
	kind    *parse.TypeName
	notNull bool
	version uint64
}

// check is a CHECK constraint.
type check struct {
	notNull []string // columns that it keeps from being null
	valid   bool
}

// foreign is a foreign key's own columns, and where it was made.
type foreign struct {
	columns []string
	at      *script
	st      *statement
	pos     int
}

type index struct {
	table   string
	columns []string // "" for expressions
	unique  bool
	partial bool
	opaque  bool // has expressions
}

// custom is an enum or a domain.
type custom struct {
	domain      bool
	constrained bool
	values      []string
}

func newModel() *model {
	return &model{
		tables: map[string]*table{}, indexes: map[string]*index{}, types: map[string]*custom{}, routines: map[string][]string{},
		versions: map[string]uint64{}, parents: map[string]string{},
	}
}

// version is the version that made an object; 0 where none did.
func (m *model) version(kind, key string) uint64 { return m.versions[kind+" "+key] }

func (m *model) columnOf(table, name string) *column {
	if t := m.tables[table]; t != nil {
		return t.columns[name]
	}
	return nil
}

// neverNull tells whether a column is known to hold no null, so that SET NOT NULL needn't look.
func (m *model) neverNull(key, name string) bool {
	t := m.tables[key]
	if t == nil {
		return false
	}
	if c := t.columns[name]; c != nil && c.notNull {
		return true
	}
	for _, check := range t.checks {
		if check.valid && slices.Contains(check.notNull, name) {
			return true
		}
	}
	return false
}

// unique tells whether columns that are bound to constants find one row at most.
func (m *model) unique(key string, bound []string) bool {
	t := m.tables[key]
	if t == nil {
		return false
	}
	within := func(columns []string) bool {
		for _, c := range columns {
			if c == "" || !slices.Contains(bound, c) {
				return false
			}
		}
		return len(columns) > 0
	}
	if slices.ContainsFunc(t.keys, within) {
		return true
	}
	for _, name := range t.indexes {
		if i := m.indexes[name]; i != nil && i.unique && !i.partial && within(i.columns) {
			return true
		}
	}
	return false
}

// indexed tells whether columns, in any order, lead an index.
func (t *table) indexed(m *model, columns []string) bool {
	leads := func(of []string) bool {
		if len(of) < len(columns) {
			return false
		}
		for _, c := range of[:len(columns)] {
			if !slices.Contains(columns, c) {
				return false
			}
		}
		return true
	}
	if slices.ContainsFunc(t.keys, leads) {
		return true
	}
	for _, name := range t.indexes {
		if i := m.indexes[name]; i != nil && leads(i.columns) {
			return true
		}
	}
	return false
}

// learn changes the model as a statement changes the schema. The script notes what it made.
func (m *model) learn(s *script, st *statement) {
	made := func(kind, key string) {
		s.created[kind+" "+key] = true
		m.versions[kind+" "+key] = s.file.Version
	}
	switch {
	case st.CreateStmt != nil:
		m.createTable(s, st, made)
	case st.CreateTableAsStmt != nil:
		key := st.CreateTableAsStmt.Into.Relation.Key()
		m.tables[key] = newTable()
		made("table", key)
	case st.ViewStmt != nil:
		if !st.ViewStmt.Replace || m.version("view", st.ViewStmt.View.Key()) == 0 {
			made("view", st.ViewStmt.View.Key())
		}
	case st.IndexStmt != nil:
		m.createIndex(st, made)
	case st.AlterTableStmt != nil:
		for _, a := range st.alters {
			m.alter(s, st, a)
		}
	case st.CreateEnumStmt != nil:
		key := parse.Qualified(st.CreateEnumStmt.Type).Key()
		m.types[key] = &custom{values: parse.Names(st.CreateEnumStmt.Values)}
		made("type", key)
	case st.AlterEnumStmt != nil:
		m.alterEnum(s, st.AlterEnumStmt)
	case st.CreateDomainStmt != nil:
		key := parse.Qualified(st.CreateDomainStmt.Domain).Key()
		m.types[key] = &custom{domain: true, constrained: constrains(st.CreateDomainStmt.Constraints)}
		made("type", key)
	case st.AlterDomainStmt != nil:
		if d := m.types[parse.Qualified(st.AlterDomainStmt.Type).Key()]; d != nil && (st.AlterDomainStmt.Subtype == "C" || st.AlterDomainStmt.Subtype == "O") {
			d.constrained = true
		}
	default:
		m.learnMore(st, made)
	}
}

func (m *model) learnMore(st *statement, made func(kind, key string)) {
	switch {
	case st.CompositeTypeStmt != nil:
		made("type", st.CompositeTypeStmt.Type.Key())
	case st.CreateSeqStmt != nil:
		made("sequence", st.CreateSeqStmt.Sequence.Key())
	case st.CreateFunctionStmt != nil:
		f := st.CreateFunctionStmt
		key := parse.Qualified(f.Name).Key()
		if signature := f.Signature(); !slices.Contains(m.routines[key], signature) {
			m.routines[key] = append(m.routines[key], signature)
			made("routine", key+"("+signature+")")
		}
	case st.DropStmt != nil:
		m.drop(st.DropStmt)
	case st.RenameStmt != nil:
		m.rename(st.RenameStmt)
	}
}

func newTable() *table { return &table{columns: map[string]*column{}, checks: map[string]*check{}} }

func constrains(nodes []parse.Node) bool {
	return slices.ContainsFunc(nodes, func(n parse.Node) bool {
		return n.Constraint != nil && (n.Constraint.Type == "CONSTR_CHECK" || n.Constraint.Type == "CONSTR_NOTNULL")
	})
}

func (m *model) createTable(s *script, st *statement, made func(kind, key string)) {
	create := st.CreateStmt
	key := create.Relation.Key()
	if create.IfNotExists && m.tables[key] != nil {
		return
	}
	t := newTable()
	t.partitioned = create.Partitioned != nil
	m.tables[key] = t
	made("table", key)
	for _, parent := range create.Parents {
		if parent.RangeVar != nil {
			m.parents[key] = parent.RangeVar.Key()
			m.inherit(t, parent.RangeVar.Key())
		}
	}
	for _, node := range create.Elements {
		switch {
		case node.ColumnDef != nil:
			m.addColumn(s, st, key, node.ColumnDef)
		case node.Constraint != nil:
			m.addConstraint(s, st, key, node.Constraint, nil)
		case node.TableLikeClause != nil:
			m.inherit(t, node.TableLikeClause.Relation.Key())
		}
	}
}

func (m *model) inherit(t *table, from string) {
	if parent := m.tables[from]; parent != nil {
		for name, c := range parent.columns {
			same := *c
			t.columns[name] = &same
		}
	}
}

func (m *model) addColumn(s *script, st *statement, key string, def *parse.ColumnDef) {
	t := m.tables[key]
	if t == nil {
		return
	}
	t.columns[def.Name] = &column{kind: def.Type, version: s.file.Version}
	for _, node := range def.Constraints {
		if node.Constraint != nil {
			m.addConstraint(s, st, key, node.Constraint, []string{def.Name})
		}
	}
}

// addConstraint learns a constraint; columns are those of the column that it stands at, nil for one of the table.
func (m *model) addConstraint(s *script, st *statement, key string, c *parse.Constraint, columns []string) {
	t := m.tables[key]
	if t == nil {
		return
	}
	switch c.Type {
	case "CONSTR_NOTNULL", "CONSTR_IDENTITY":
		t.setNotNull(columns, true)
	case "CONSTR_CHECK":
		name := c.Name
		if name == "" {
			name = nameOf(key, columns, "check")
		}
		t.checks[name] = &check{notNull: c.Expr.NotNull(), valid: !c.SkipValidation}
	case "CONSTR_PRIMARY", "CONSTR_UNIQUE":
		keys := parse.Names(c.Keys)
		if len(keys) == 0 {
			keys = columns
		}
		if i := m.indexes[c.Index]; c.Index != "" && i != nil {
			keys = i.columns
		}
		t.keys = append(t.keys, keys)
		if c.Type == "CONSTR_PRIMARY" {
			t.setNotNull(keys, true)
		}
	case "CONSTR_FOREIGN":
		own := parse.Names(c.ForeignKeys)
		if len(own) == 0 {
			own = columns
		}
		t.foreign = append(t.foreign, foreign{columns: own, at: s, st: st, pos: max(c.Location, st.Pos)})
	}
}

func (t *table) setNotNull(columns []string, to bool) {
	for _, name := range columns {
		if c := t.columns[name]; c != nil {
			c.notNull = to
		}
	}
}

func (m *model) createIndex(st *statement, made func(kind, key string)) {
	create := st.IndexStmt
	i := &index{table: create.Relation.Key(), unique: create.Unique, partial: create.Where.Given()}
	for _, node := range create.Params {
		if node.IndexElem != nil {
			i.columns = append(i.columns, node.IndexElem.Name)
			i.opaque = i.opaque || node.IndexElem.Name == ""
		}
	}
	name := create.Name
	if name == "" {
		name = nameOf(create.Relation.Name, i.columns, "idx")
	}
	m.indexes[name] = i
	if t := m.tables[i.table]; t != nil {
		t.indexes = append(t.indexes, name)
	}
	made("index", name)
}

func (m *model) alterEnum(s *script, alter *parse.AlterEnumStmt) {
	key := parse.Qualified(alter.Type).Key()
	if alter.OldValue == "" && !s.makes("type", key) {
		s.values[alter.NewValue] = true
	}
	if e := m.types[key]; e != nil && alter.OldValue == "" {
		e.values = append(e.values, alter.NewValue)
	}
}

func (m *model) alter(s *script, st *statement, a alteration) {
	key := a.table.Key()
	t := m.tables[key]
	if t == nil {
		return
	}
	switch a.Subtype {
	case "AT_AddColumn":
		if a.Def.ColumnDef != nil && t.columns[a.Def.ColumnDef.Name] == nil {
			m.addColumn(s, st, key, a.Def.ColumnDef)
		}
	case "AT_DropColumn":
		delete(t.columns, a.Name)
	case "AT_AddConstraint":
		if a.Def.Constraint != nil {
			m.addConstraint(s, st, key, a.Def.Constraint, nil)
		}
	case "AT_ValidateConstraint":
		if c := t.checks[a.Name]; c != nil {
			c.valid = true
		}
	case "AT_DropConstraint":
		delete(t.checks, a.Name)
	case "AT_SetNotNull":
		t.setNotNull([]string{a.Name}, true)
	case "AT_DropNotNull":
		t.setNotNull([]string{a.Name}, false)
	case "AT_AlterColumnType":
		if c := t.columns[a.Name]; c != nil && a.Def.ColumnDef != nil {
			c.kind = a.Def.ColumnDef.Type
		}
	case "AT_AttachPartition", "AT_DetachPartition":
		if p := a.Def.PartitionCmd; p != nil {
			m.parents[p.Name.Key()] = key
		}
	}
}

// kinds of the model by those of DROP and RENAME.
func kindOf(objectType string) string {
	switch objectType {
	case "OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE":
		return "table"
	case "OBJECT_VIEW":
		return "view"
	case "OBJECT_INDEX":
		return "index"
	case "OBJECT_SEQUENCE":
		return "sequence"
	case "OBJECT_TYPE", "OBJECT_DOMAIN":
		return "type"
	case "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE":
		return "routine"
	}
	return ""
}

func (m *model) drop(d *parse.DropStmt) {
	kind := kindOf(d.Type)
	for _, node := range d.Objects {
		key := node.Object().Key()
		switch kind {
		case "table":
			if t := m.tables[key]; t != nil {
				for _, name := range t.indexes {
					delete(m.indexes, name)
				}
			}
			delete(m.tables, key)
		case "index":
			delete(m.indexes, key)
		case "type":
			delete(m.types, key)
		case "routine":
			signature := node.Arguments()
			m.routines[key] = slices.DeleteFunc(m.routines[key], func(s string) bool { return s == signature || signature == "" })
			delete(m.versions, kind+" "+key+"("+signature+")")
		}
		delete(m.versions, kind+" "+key)
	}
}

func (m *model) rename(r *parse.RenameStmt) {
	switch {
	case r.Type == "OBJECT_COLUMN" && r.Relation != nil:
		if t := m.tables[r.Relation.Key()]; t != nil {
			if c := t.columns[r.SubName]; c != nil {
				delete(t.columns, r.SubName)
				t.columns[r.NewName] = c
			}
		}
	case r.Type == "OBJECT_TABLE" && r.Relation != nil:
		from, to := r.Relation.Key(), parse.RangeVar{Schema: r.Relation.Schema, Name: r.NewName}.Key()
		if t := m.tables[from]; t != nil {
			m.tables[to], m.versions["table "+to] = t, m.versions["table "+from]
			delete(m.tables, from)
			delete(m.versions, "table "+from)
			for _, name := range t.indexes {
				if i := m.indexes[name]; i != nil {
					i.table = to
				}
			}
		}
	case r.Type == "OBJECT_INDEX" && r.Relation != nil:
		if i := m.indexes[r.Relation.Name]; i != nil {
			m.indexes[r.NewName] = i
			delete(m.indexes, r.Relation.Name)
			if t := m.tables[i.table]; t != nil {
				t.indexes = append(t.indexes, r.NewName)
			}
		}
	}
}
