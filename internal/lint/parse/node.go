package parse

// Node is a node of the tree: the field of its kind is set, or none where no rule asks about that kind.
type Node struct {
	AlterDomainStmt       *AlterDomainStmt
	AlterEnumStmt         *AlterEnumStmt
	AlterObjectSchemaStmt *AlterObjectSchemaStmt
	AlterTableStmt        *AlterTableStmt
	ClusterStmt           *ClusterStmt
	CompositeTypeStmt     *CompositeTypeStmt
	CreateDomainStmt      *CreateDomainStmt
	CreateEnumStmt        *CreateEnumStmt
	CreateFunctionStmt    *CreateFunctionStmt
	CreateSeqStmt         *CreateSeqStmt
	CreateStmt            *CreateStmt
	CreateTableAsStmt     *CreateTableAsStmt
	CreateTrigStmt        *CreateTrigStmt
	DeleteStmt            *ChangeStmt
	DoStmt                *DoStmt
	DropStmt              *DropStmt
	IndexStmt             *IndexStmt
	InsertStmt            *InsertStmt
	LockStmt              *LockStmt
	RefreshMatViewStmt    *RefreshMatViewStmt
	ReindexStmt           *ReindexStmt
	RenameStmt            *RenameStmt
	SelectStmt            *SelectStmt
	TransactionStmt       *TransactionStmt
	TruncateStmt          *TruncateStmt
	UpdateStmt            *ChangeStmt
	VacuumStmt            *VacuumStmt
	VariableSetStmt       *VariableSetStmt
	ViewStmt              *ViewStmt

	// Parts of statements.
	AConst            *Const `json:"A_Const"`
	AlterTableCmd     *AlterTableCmd
	ColumnDef         *ColumnDef
	Constraint        *Constraint
	DefElem           *DefElem
	FunctionParameter *FunctionParameter
	IndexElem         *IndexElem
	List              *List
	ObjectWithArgs    *ObjectWithArgs
	PartitionCmd      *PartitionCmd
	RangeVar          *RangeVar
	String            *String
	TableLikeClause   *TableLikeClause
	TypeName          *TypeName
	VacuumRelation    *VacuumRelation
}

// RangeVar names a relation.
type RangeVar struct {
	Schema      string `json:"schemaname"`
	Name        string `json:"relname"`
	Persistence string `json:"relpersistence"` // p permanent, u unlogged, t temporary
	Location    int
}

// TypeName names a type. PostgreSQL's own come with the schema pg_catalog where the grammar knows them.
type TypeName struct {
	Names       []Node
	Typmods     []Node
	ArrayBounds []any `json:"arrayBounds"`
	Location    int
}

// ColumnDef defines a column; of ALTER COLUMN TYPE it has the type and, as RawDefault, the USING expression.
type ColumnDef struct {
	Name        string    `json:"colname"`
	Type        *TypeName `json:"typeName"`
	RawDefault  Expr      `json:"raw_default"`
	Constraints []Node
	Location    int
}

// Constraint is a constraint of a column or table, a default and an identity included.
type Constraint struct {
	Type           string `json:"contype"`
	Name           string `json:"conname"`
	SkipValidation bool   `json:"skip_validation"`
	Expr           Expr   `json:"raw_expr"`
	Keys           []Node
	ForeignKeys    []Node    `json:"fk_attrs"`
	Referenced     *RangeVar `json:"pktable"`
	Index          string    `json:"indexname"`
	Location       int
}

// AlterTableStmt is ALTER TABLE and its kin for views, indexes and sequences; Type tells which.
type AlterTableStmt struct {
	Relation RangeVar
	Commands []Node `json:"cmds"`
	Type     string `json:"objtype"`
}

// AlterTableCmd is one of the actions.
type AlterTableCmd struct {
	Subtype  string
	Name     string
	Def      Node
	Behavior string
}

// PartitionCmd names the table to attach or detach.
type PartitionCmd struct {
	Name       RangeVar
	Concurrent bool
}

// CreateStmt is CREATE TABLE.
type CreateStmt struct {
	Relation    RangeVar
	Elements    []Node `json:"tableElts"`
	Parents     []Node `json:"inhRelations"`
	Partitioned any    `json:"partspec"`
	Bound       any    `json:"partbound"`
	IfNotExists bool   `json:"if_not_exists"`
}

// TableLikeClause is LIKE within CREATE TABLE.
type TableLikeClause struct{ Relation RangeVar }

// CreateTableAsStmt is CREATE TABLE AS and CREATE MATERIALIZED VIEW.
type CreateTableAsStmt struct {
	Into struct {
		Relation RangeVar `json:"rel"`
	}
	Type string `json:"objtype"`
}

// ViewStmt is CREATE VIEW.
type ViewStmt struct {
	View    RangeVar
	Replace bool
}

// IndexStmt is CREATE INDEX.
type IndexStmt struct {
	Name        string `json:"idxname"`
	Relation    RangeVar
	Params      []Node `json:"indexParams"`
	Including   []Node `json:"indexIncludingParams"`
	Where       Expr   `json:"whereClause"`
	Unique      bool
	Concurrent  bool
	IfNotExists bool `json:"if_not_exists"`
}

// IndexElem is a column of an index, or an expression.
type IndexElem struct {
	Name string
	Expr Expr
}

// DropStmt is DROP of nearly everything.
type DropStmt struct {
	Objects    []Node
	Type       string `json:"removeType"`
	Behavior   string
	Concurrent bool
}

// TruncateStmt is TRUNCATE.
type TruncateStmt struct{ Relations []Node }

// RenameStmt is every RENAME but an enum's.
type RenameStmt struct {
	Type         string `json:"renameType"`
	RelationType string `json:"relationType"`
	Relation     *RangeVar
	Object       Node
	SubName      string `json:"subname"`
	NewName      string `json:"newname"`
}

// AlterObjectSchemaStmt is SET SCHEMA.
type AlterObjectSchemaStmt struct {
	Type      string `json:"objectType"`
	Relation  *RangeVar
	NewSchema string `json:"newschema"`
}

// AlterEnumStmt adds or renames a value.
type AlterEnumStmt struct {
	Type     []Node `json:"typeName"`
	OldValue string `json:"oldVal"`
	NewValue string `json:"newVal"`
	Neighbor string `json:"newValNeighbor"`
}

// CreateEnumStmt makes an enum.
type CreateEnumStmt struct {
	Type   []Node `json:"typeName"`
	Values []Node `json:"vals"`
}

// CompositeTypeStmt makes a row type.
type CompositeTypeStmt struct {
	Type RangeVar `json:"typevar"`
}

// CreateDomainStmt makes a domain.
type CreateDomainStmt struct {
	Domain      []Node    `json:"domainname"`
	Type        *TypeName `json:"typeName"`
	Constraints []Node
}

// AlterDomainStmt changes a domain: C adds a constraint, O sets NOT NULL.
type AlterDomainStmt struct {
	Subtype string
	Type    []Node `json:"typeName"`
	Name    string
	Def     Node
}

// CreateSeqStmt makes a sequence.
type CreateSeqStmt struct{ Sequence RangeVar }

// CreateFunctionStmt makes a function or procedure.
type CreateFunctionStmt struct {
	IsProcedure bool `json:"is_procedure"`
	Replace     bool
	Name        []Node `json:"funcname"`
	Parameters  []Node
	Options     []Node
}

// FunctionParameter is one of its parameters.
type FunctionParameter struct {
	Type *TypeName `json:"argType"`
	Mode string
}

// ObjectWithArgs names a routine.
type ObjectWithArgs struct {
	Name []Node `json:"objname"`
	Args []Node `json:"objargs"`
}

// CreateTrigStmt makes a trigger.
type CreateTrigStmt struct {
	Name     string `json:"trigname"`
	Relation RangeVar
}

// ChangeStmt is UPDATE or DELETE.
type ChangeStmt struct {
	Relation RangeVar
	Where    Expr `json:"whereClause"`
}

// InsertStmt is INSERT.
type InsertStmt struct {
	Relation RangeVar
	Select   Node `json:"selectStmt"`
}

// SelectStmt is SELECT, or the VALUES of an INSERT.
type SelectStmt struct {
	Values []Node `json:"valuesLists"`
	From   []any  `json:"fromClause"`
	With   any    `json:"withClause"`
}

// LockStmt is LOCK TABLE.
type LockStmt struct{ Relations []Node }

// RefreshMatViewStmt refreshes a materialized view.
type RefreshMatViewStmt struct {
	Relation   RangeVar
	Concurrent bool
	SkipData   bool `json:"skipData"`
}

// ReindexStmt is REINDEX.
type ReindexStmt struct {
	Kind     string
	Relation *RangeVar
	Name     string
	Params   []Node
}

// VacuumStmt is VACUUM or ANALYZE.
type VacuumStmt struct {
	Options   []Node
	Relations []Node `json:"rels"`
	IsVacuum  bool   `json:"is_vacuumcmd"`
}

// VacuumRelation is one of its tables.
type VacuumRelation struct{ Relation RangeVar }

// ClusterStmt is CLUSTER.
type ClusterStmt struct{ Relation *RangeVar }

// VariableSetStmt is SET or RESET.
type VariableSetStmt struct {
	Kind  string
	Name  string
	Args  []Node
	Local bool `json:"is_local"`
}

// TransactionStmt is BEGIN, COMMIT and their kin.
type TransactionStmt struct{ Kind string }

// DoStmt is DO.
type DoStmt struct{ Args []Node }

// DefElem is an option with its value.
type DefElem struct {
	Name string `json:"defname"`
	Arg  Node
}

// List is a list of nodes.
type List struct{ Items []Node }

// String is a name or a text.
type String struct {
	Value string `json:"sval"`
}

// Const is a constant.
type Const struct {
	Integer *struct {
		Value int64 `json:"ival"`
	} `json:"ival"`
	Text *String `json:"sval"`
	Bool *struct {
		Value bool `json:"boolval"`
	} `json:"boolval"`
}
