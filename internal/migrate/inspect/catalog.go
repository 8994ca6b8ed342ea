package inspect

// Catalog is what a database holds, as far as a move must know it. Objects that extensions own are left out.
type Catalog struct {
	Server     Server
	Schemas    []string // user schemas, sorted: those that hold an object of no extension, and empty ones other than public
	SearchPath []string // the schemas that an application finds without naming them, in order, as they exist; never the system's
	Tables     []Table  // ordinary tables, partitioned tables, their partitions, foreign tables; sorted by schema and name
	Views      []Relation
	MatViews   []Relation
	Sequences  []Sequence
	Extensions []Extension
}

// Server is the database server and the database itself.
type Server struct {
	VersionNum       int // 150018
	Database         string
	User             string // who asks
	Superuser        bool
	Encoding         string // UTF8, SQL_ASCII, LATIN1 ...
	Collate, CType   string
	WALLevel         string
	InRecovery       bool
	ReadOnly         bool // default_transaction_read_only
	SystemIdentifier string
	Bytes            int64 // size of the database
	// LocaleProvider is "c" (the operating system's) or "i" (ICU); Locale is ICU's locale, "" with the other one.
	LocaleProvider, Locale string
	Fenced                 bool // a fence of ours stands: its schema is there
}

// Major is the server's major version: 15.
func (s Server) Major() int { return s.VersionNum / 10000 }

// Relation names anything with columns.
type Relation struct {
	OID    uint32
	Schema string
	Name   string
}

// String is the name as people write it in SQL: public."Orders".
func (r Relation) String() string { return quote(r.Schema) + "." + quote(r.Name) }

// TableKind tells tables apart.
type TableKind string

// Kinds of tables, as in pg_class.relkind.
const (
	Ordinary    TableKind = "r"
	Partitioned TableKind = "p"
	Foreign     TableKind = "f"
)

// Table is a table of the legacy database.
type Table struct {
	Relation
	Kind        TableKind
	Unlogged    bool
	IsPartition bool
	Parents     []Relation // inheritance or partition parents
	Columns     []Column   // live ones, in order
	Key         []string   // columns of the primary key, else of an immediate unique index over NOT NULL columns; nil: none
	Rows        float64    // estimate of the rows stored in this table itself, none in a partitioned one
	Pages       int64      // of the heap itself, exact at the time of asking
	Bytes       int64      // heap and TOAST, without indexes
	Filenode    uint32     // pg_relation_filenode: another one means a rewrite or TRUNCATE; 0 without storage
	RowSecurity bool
	Owner       string
}

// Column is a live column.
type Column struct {
	Name      string
	Type      string // format_type with its modifier, schema-qualified unless in pg_catalog
	TypeOID   uint32
	Modifier  int32
	NotNull   bool
	Generated bool   // generated: left out of the copy, recomputed
	Identity  string // "", "a" (always), "d" (by default)
	Default   string // expression, or ""
	// Portable tells that the binary form of the type is the same on every server: it holds no OID and has send and
	// receive functions. Columns that aren't are carried as text.
	Portable bool
	// Reg tells a reg* type, whose text names an object and must be read under the tenant's path.
	Reg bool
}

// Sequence is a sequence with where it stands.
type Sequence struct {
	Relation
	OwnedBy  string // "schema.table.column", or ""
	Identity bool
}

// Extension is an installed extension.
type Extension struct {
	Name, Version, Schema string
	Relocatable           bool
	Trusted               bool
}
