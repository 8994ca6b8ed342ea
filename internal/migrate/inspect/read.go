package inspect

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/server.sql
	serverSQL string
	//go:embed sql/schemas.sql
	schemasSQL string
	//go:embed sql/relations.sql
	relationsSQL string
	//go:embed sql/columns.sql
	columnsSQL string
	//go:embed sql/keys.sql
	keysSQL string
	//go:embed sql/parents.sql
	parentsSQL string
	//go:embed sql/sequences.sql
	sequencesSQL string
	//go:embed sql/extensions.sql
	extensionsSQL string
)

// Read reads the catalog of a database, as any user that may connect. It is some ten queries however many tables there are, in
// one read-only transaction (a savepoint of the caller's, where db is one).
func Read(ctx context.Context, db postgres.Querier) (*Catalog, error) {
	var catalog *Catalog
	err := readOnly(ctx, db, func(tx pgx.Tx) (err error) {
		catalog, err = read(ctx, tx)
		return err
	})
	if postgres.Code(err) == "22021" { // character_not_in_repertoire
		err = tenant.WithHint(err, "a name or a default in this database isn't valid UTF-8, and its encoding SQL_ASCII doesn't say what it is: rename or redefine it")
	}
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return catalog, nil
}

func read(ctx context.Context, tx pgx.Tx) (*Catalog, error) {
	server, err := readServer(ctx, tx)
	if err != nil {
		return nil, err
	}
	catalog := &Catalog{Server: server}
	if catalog.Schemas, err = collect(ctx, tx, pgx.RowTo[string], schemasSQL); err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	if catalog.SearchPath, err = readSearchPath(ctx, tx); err != nil {
		return nil, fmt.Errorf("search path: %w", err)
	}
	if catalog.Extensions, err = collect(ctx, tx, pgx.RowToStructByName[Extension], extensionsSQL); err != nil {
		return nil, fmt.Errorf("extensions: %w", err)
	}
	relations, err := collect(ctx, tx, pgx.RowToStructByName[relationRow], relationsSQL)
	if err != nil {
		return nil, fmt.Errorf("relations: %w", err)
	}
	if err := catalog.addRelations(ctx, tx, relations); err != nil {
		return nil, err
	}
	return catalog, catalog.addTableParts(ctx, tx)
}

// readServer reads what Check needs of either side.
func readServer(ctx context.Context, tx pgx.Tx) (Server, error) {
	rows, err := tx.Query(ctx, serverSQL)
	if err != nil {
		return Server{}, fmt.Errorf("server: %w", err)
	}
	server, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Server])
	if err != nil {
		return Server{}, fmt.Errorf("server: %w", err)
	}
	return server, nil
}

// relationRow is a row of relations.sql.
type relationRow struct {
	OID           uint32
	Schema, Name  string
	Kind          string
	Unlogged      bool
	IsPartition   bool
	RowSecurity   bool
	OwnChecks     bool
	Owner         string
	Tuples        float64 // when last analyzed; -1 or 0 on no pages: never
	AnalyzedPages int64
	Pages, Bytes  int64
	Filenode      uint32
}

// guessedRowsPerPage stands in where a table was never analyzed: rows of some 130 bytes.
const guessedRowsPerPage = 60

// rows is an estimate as the planner makes it: the density of the last ANALYZE times the pages of today.
func (r relationRow) rows() float64 {
	switch {
	case r.Pages == 0:
		return 0
	case r.Tuples >= 0 && r.AnalyzedPages > 0:
		return r.Tuples / float64(r.AnalyzedPages) * float64(r.Pages)
	}
	return guessedRowsPerPage * float64(r.Pages)
}

func (c *Catalog) addRelations(ctx context.Context, tx pgx.Tx, relations []relationRow) error {
	sequences, err := collect(ctx, tx, pgx.RowToStructByName[sequenceRow], sequencesSQL)
	if err != nil {
		return fmt.Errorf("owners of sequences: %w", err)
	}
	owners := make(map[uint32]sequenceRow, len(sequences))
	for _, s := range sequences {
		owners[s.Sequence] = s
	}
	for _, r := range relations {
		relation := Relation{OID: r.OID, Schema: r.Schema, Name: r.Name}
		switch r.Kind {
		case "v":
			c.Views = append(c.Views, relation)
		case "m":
			c.MatViews = append(c.MatViews, relation)
		case "S":
			owner := owners[r.OID]
			c.Sequences = append(c.Sequences, Sequence{Relation: relation, OwnedBy: owner.OwnedBy, Identity: owner.Identity})
		default:
			c.Tables = append(c.Tables, Table{
				Relation: relation, Kind: TableKind(r.Kind), Unlogged: r.Unlogged, IsPartition: r.IsPartition, Rows: r.rows(),
				Pages: r.Pages, Bytes: r.Bytes, Filenode: r.Filenode, RowSecurity: r.RowSecurity, OwnChecks: r.OwnChecks, Owner: r.Owner,
			})
		}
	}
	return nil
}

type sequenceRow struct {
	Sequence uint32
	OwnedBy  string
	Identity bool
}

type columnRow struct {
	Table      uint32
	Name, Type string
	TypeOID    uint32
	Modifier   int32
	NotNull    bool
	Generated  bool
	OwnCode    bool
	Identity   string
	Default    string
}

type keyRow struct {
	Table   uint32
	Columns []string
}

type parentRow struct {
	Table        uint32
	OID          uint32
	Schema, Name string
}

// addTableParts adds columns, keys and parents to the tables.
func (c *Catalog) addTableParts(ctx context.Context, tx pgx.Tx) error {
	types, err := readTypes(ctx, tx)
	if err != nil {
		return fmt.Errorf("types: %w", err)
	}
	columns, err := collect(ctx, tx, pgx.RowToStructByName[columnRow], columnsSQL)
	if err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	keys, err := collect(ctx, tx, pgx.RowToStructByName[keyRow], keysSQL)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	parents, err := collect(ctx, tx, pgx.RowToStructByName[parentRow], parentsSQL)
	if err != nil {
		return fmt.Errorf("parents: %w", err)
	}
	tables := make(map[uint32]*Table, len(c.Tables))
	for i := range c.Tables {
		tables[c.Tables[i].OID] = &c.Tables[i]
	}
	for _, r := range columns {
		if table := tables[r.Table]; table != nil {
			table.Columns = append(table.Columns, r.column(types))
		}
	}
	for _, r := range keys {
		if table := tables[r.Table]; table != nil {
			table.Key = r.Columns
		}
	}
	for _, r := range parents {
		if table := tables[r.Table]; table != nil {
			table.Parents = append(table.Parents, Relation{OID: r.OID, Schema: r.Schema, Name: r.Name})
		}
	}
	return nil
}

func (r columnRow) column(types typeGraph) Column {
	return Column{
		Name: r.Name, Type: r.Type, TypeOID: r.TypeOID, Modifier: r.Modifier, NotNull: r.NotNull, Generated: r.Generated, OwnCode: r.OwnCode,
		Identity: r.Identity, Default: r.Default, Portable: types.portable(r.TypeOID), Reg: types.holdsReg(r.TypeOID),
	}
}

// collect runs a query and scans its rows.
func collect[T any](ctx context.Context, tx pgx.Tx, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// starter is what every Querier of pgx can do: a transaction, or a savepoint within one.
type starter interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// readOnly runs fn in a transaction that writes nothing, finds objects by qualified name only (so that names come back
// qualified) and fails rather than let row security hide a row. Its settings end with it. Compiling a catalog query would take
// longer than the query.
func readOnly(ctx context.Context, db postgres.Querier, fn func(pgx.Tx) error) error {
	s, ok := db.(starter)
	if !ok {
		return fmt.Errorf("%T can't start a transaction", db)
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	err = postgres.Script(ctx, tx, `
		set local transaction_read_only = on;
		set local search_path = '';
		set local row_security = off;
		set local jit = off`)
	if err != nil {
		return err
	}
	return fn(tx)
}
