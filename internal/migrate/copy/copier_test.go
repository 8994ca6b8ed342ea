package copy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// bundle is one legacy database and one instance, in two databases of the test's server.
type bundle struct {
	t              *testing.T
	source, target string
	marks          *memoryMarks
}

func setup(t *testing.T, schema string) *bundle {
	t.Helper()
	b := &bundle{t: t, source: localtest.Database(t), target: localtest.Database(t), marks: &memoryMarks{}}
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.source), schema))
	return b
}

func (b *bundle) connect(dsn string) *pgx.Conn {
	conn, err := b.dial(dsn)(b.t.Context())
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bundle) dial(dsn string) copy.Dial {
	return func(ctx context.Context) (*pgx.Conn, error) {
		return postgres.Connect(ctx, dsn, postgres.Options{Application: "copytest", Settings: copy.SessionSettings("public")})
	}
}

func (b *bundle) copier() *copy.Copier {
	return &copy.Copier{Source: b.dial(b.source), Target: b.dial(b.target), Marks: b.marks, Jobs: 2, Seed: 42, Progress: copy.NewProgress()}
}

// table describes a table as a lift would.
func (b *bundle) table(name string, format copy.Format, columns ...string) copy.Table {
	t := copy.Table{Name: name, Format: format, Target: copy.Target{Schema: "public", Name: name}, Key: columns[:1]}
	for _, column := range columns {
		t.Columns = append(t.Columns, copy.Column{Target: column, Expr: postgres.Ident(column)})
	}
	err := b.connect(b.source).QueryRow(b.t.Context(), `select c.oid, n.nspname, c.relname, pg_relation_size(c.oid) / 8192, pg_table_size(c.oid), pg_relation_filenode(c.oid)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1::regclass`, name).
		Scan(&t.Source.OID, &t.Source.Schema, &t.Source.Name, &t.Source.Pages, &t.Source.Bytes, &t.Source.Filenode)
	require.NoError(b.t, err)
	return t
}

// prove reads both sides and compares.
func (b *bundle) prove(tables ...copy.Table) []verify.Proof {
	reader := verify.Reader{Dial: b.dial(b.target), Jobs: 2, Seed: 42}
	read, err := reader.Target(b.t.Context(), tables, 150000)
	require.NoError(b.t, err)
	return verify.Compare(tables, b.marks.sums(), read)
}

// memoryMarks keeps marks of committed chunks.
type memoryMarks struct {
	mu    sync.Mutex
	saved []copy.Mark
	after func(n int) error // called with each save; an error fails the chunk
}

func (m *memoryMarks) Done(context.Context) ([]copy.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]copy.Mark(nil), m.saved...), nil
}

func (m *memoryMarks) Hold(context.Context, pgx.Tx) error { return nil }

func (m *memoryMarks) Save(_ context.Context, _ pgx.Tx, mark copy.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.after != nil {
		if err := m.after(len(m.saved)); err != nil {
			return err
		}
	}
	m.saved = append(m.saved, mark)
	return nil
}

func (m *memoryMarks) Flush(context.Context) error { return nil }

func (m *memoryMarks) sums() map[string]copy.Sum {
	sums := map[string]copy.Sum{}
	for _, mark := range m.saved {
		sum := sums[mark.Table]
		sum.Merge(mark.Sum)
		sums[mark.Table] = sum
	}
	return sums
}

const ordersDDL = `create table orders (id int primary key, note text, amount numeric)`

const ordersRows = `insert into orders select i, repeat('x', i % 200), i / 7.0 from generate_series(1, 20000) i`

func TestCopiesInChunksAndProves(t *testing.T) {
	t.Parallel()
	b := setup(t, ordersDDL+";"+ordersRows)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), ordersDDL))
	orders := b.table("orders", copy.Binary, "id", "note", "amount")
	copier := b.copier()
	copier.ChunkBytes = 256 << 10
	require.NoError(t, copier.Run(t.Context(), []copy.Table{orders}, 150000))
	require.Greater(t, len(b.marks.saved), 5, "the table should have been divided")
	proofs := b.prove(orders)
	require.Len(t, proofs, 1)
	require.True(t, proofs[0].Equal, "%+v", proofs[0])
	require.EqualValues(t, 20000, proofs[0].Read.Rows)
}

// A proof that can't fail proves nothing: each kind of difference must be found and named.
func TestProofFindsWhatDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil                   string
		missing, extra, changed []string
	}{
		"a row lost":               {spoil: `delete from orders where id = 4711`, missing: []string{"id=4711"}},
		"a row more":               {spoil: `insert into orders values (90001, 'x', 1)`, extra: []string{"id=90001"}},
		"a value changed":          {spoil: `update orders set note = 'y' where id = 17`, changed: []string{"id=17"}},
		"1.0 is not 1.00":          {spoil: `update orders set amount = '1.00' where id = 7`, changed: []string{"id=7"}},
		"a row twice, another not": {spoil: `alter table orders drop constraint orders_pkey; update orders set (id, note, amount) = (select id, note, amount from orders where id = 5) where id = 6`, missing: []string{"id=6"}, changed: []string{"id=5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, ordersDDL+";"+ordersRows)
			target := b.connect(b.target)
			require.NoError(t, postgres.Script(t.Context(), target, ordersDDL))
			require.NoError(t, postgres.Script(t.Context(), b.connect(b.source), `update orders set amount = '1.0' where id = 7`))
			orders := b.table("orders", copy.Binary, "id", "note", "amount")
			require.NoError(t, b.copier().Run(t.Context(), []copy.Table{orders}, 150000))
			require.True(t, b.prove(orders)[0].Equal)
			require.NoError(t, postgres.Script(t.Context(), target, c.spoil))
			require.False(t, b.prove(orders)[0].Equal)
			d, err := verify.Descend(t.Context(), b.dial(b.source), b.dial(b.target), []copy.Table{orders}, 42)
			require.NoError(t, err)
			require.Equal(t, c.missing, d.Missing)
			require.Equal(t, c.extra, d.Extra)
			require.Equal(t, c.changed, d.Changed)
		})
	}
}

func TestResumesInsideATable(t *testing.T) {
	t.Parallel()
	b := setup(t, ordersDDL+";"+ordersRows)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), ordersDDL))
	orders := b.table("orders", copy.Binary, "id", "note", "amount")
	copier := b.copier()
	copier.Jobs, copier.ChunkBytes = 1, 256<<10
	b.marks.after = func(n int) error {
		if n == 3 {
			return fmt.Errorf("the process dies here")
		}
		return nil
	}
	require.ErrorContains(t, copier.Run(t.Context(), []copy.Table{orders}, 150000), "dies here")
	require.Len(t, b.marks.saved, 3)
	b.marks.after = nil
	require.NoError(t, copier.Run(t.Context(), []copy.Table{orders}, 150000))
	require.True(t, b.prove(orders)[0].Equal)
}

// Several legacy tables may feed one target: none of them may empty it.
func TestTwoTablesFeedOne(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id int, v text); create table b (id int, v text);
		insert into a select i, 'a' from generate_series(1, 100) i; insert into b select i, 'b' from generate_series(1, 50) i`)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), `create table ab (id int, v text)`))
	first, second := b.table("a", copy.Binary, "id", "v"), b.table("b", copy.Binary, "id", "v")
	first.Target.Name, second.Target.Name = "ab", "ab"
	require.NoError(t, b.copier().Run(t.Context(), []copy.Table{first, second}, 150000))
	proofs := b.prove(first, second)
	require.Len(t, proofs, 1)
	require.True(t, proofs[0].Equal)
	require.EqualValues(t, 150, proofs[0].Read.Rows)
	require.Equal(t, []string{"a", "b"}, proofs[0].Sources)
}

func TestOddTables(t *testing.T) {
	t.Parallel()
	const ddl = `create table nothing (); create table duplicates (v int); create table empty (v text)`
	b := setup(t, ddl+`; insert into nothing default values; insert into nothing default values;
		insert into duplicates select i % 3 from generate_series(1, 300) i; insert into duplicates values (null), (null)`)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), ddl))
	for _, format := range []copy.Format{copy.Binary, copy.Text} {
		b.marks.saved = nil
		require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), `truncate nothing, duplicates, empty`))
		nothing := b.table("nothing", format, "")
		nothing.Columns = nil
		tables := []copy.Table{nothing, b.table("duplicates", format, "v"), b.table("empty", format, "v")}
		require.NoError(t, b.copier().Run(t.Context(), tables, 150000))
		for _, proof := range b.prove(tables...) {
			require.True(t, proof.Equal, "%s as %s: %+v", proof.Target.Name, format, proof)
		}
		require.EqualValues(t, 2, b.marks.sums()["nothing"].Rows)
		require.EqualValues(t, 302, b.marks.sums()["duplicates"].Rows)
	}
}

func TestNamesTheRowThatTheTargetRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table orders (id int, note text); insert into orders select i, repeat('x', case i when 777 then 11 else 3 end) from generate_series(1, 1000) i`)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), `create table orders (id int, note varchar(10))`))
	err := b.copier().Run(t.Context(), []copy.Table{b.table("orders", copy.Binary, "id", "note")}, 150000)
	var row *copy.RowError
	require.ErrorAs(t, err, &row)
	require.Contains(t, row.Row, "id='777'")
	require.ErrorContains(t, err, "value too long for type character varying(10)")
}

func TestRefusesARewrittenTable(t *testing.T) {
	t.Parallel()
	b := setup(t, ordersDDL+";"+ordersRows)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), ordersDDL))
	orders := b.table("orders", copy.Binary, "id", "note", "amount")
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.source), `alter table orders alter id type bigint`))
	require.ErrorContains(t, b.copier().Run(t.Context(), []copy.Table{orders}, 150000), "was rewritten, truncated or dropped")
	require.Empty(t, b.marks.saved)
}

func TestDrains(t *testing.T) {
	t.Parallel()
	b := setup(t, ordersDDL+";"+ordersRows)
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), ordersDDL))
	drain := make(chan struct{})
	b.marks.after = func(n int) error {
		if n == 2 {
			close(drain)
		}
		return nil
	}
	copier := b.copier()
	copier.Drain, copier.Jobs, copier.ChunkBytes = drain, 1, 128<<10
	err := copier.Run(t.Context(), []copy.Table{b.table("orders", copy.Binary, "id", "note", "amount")}, 150000)
	require.ErrorIs(t, err, tenant.ErrInterrupted)
	require.Len(t, b.marks.saved, 3, "the chunk under way ends in good order")
}

// A target that restarts midway costs time, not rows.
func TestOutlivesATargetRestart(t *testing.T) {
	t.Parallel()
	b := setup(t, ordersDDL+";"+ordersRows)
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	b.target = server.DSN("postgres")
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), ordersDDL))
	require.NoError(t, postgres.Script(t.Context(), b.connect(b.target), `create table mark (chunk int primary key, mark jsonb)`))
	marks := &tableMarks{dial: b.dial(b.target), crash: func() error {
		return errors.Join(server.Kill(context.Background()), server.Start(context.Background()))
	}}
	copier := b.copier()
	copier.Marks = marks
	copier.Jobs, copier.ChunkBytes, copier.Patience = 1, 256<<10, 30*time.Second
	orders := b.table("orders", copy.Binary, "id", "note", "amount")
	require.NoError(t, copier.Run(t.Context(), []copy.Table{orders}, 150000))
	var err error
	b.marks.saved, err = marks.Done(t.Context())
	require.NoError(t, err)
	require.True(t, b.prove(orders)[0].Equal)
}

// tableMarks keeps marks beside the rows, as it must be where the server may crash: it does, after the second.
type tableMarks struct {
	dial  copy.Dial
	crash func() error
	saves int
}

func (m *tableMarks) Hold(context.Context, pgx.Tx) error { return nil }
func (m *tableMarks) Flush(ctx context.Context) error {
	conn, err := m.dial(ctx)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `select txid_current()`)
	return errors.Join(err, conn.Close(ctx))
}

func (m *tableMarks) Done(ctx context.Context) ([]copy.Mark, error) {
	conn, err := m.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select mark from mark order by chunk`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[copy.Mark])
}

func (m *tableMarks) Save(ctx context.Context, tx pgx.Tx, mark copy.Mark) error {
	m.saves++
	if m.saves == 3 {
		if err := m.crash(); err != nil { // what was committed a moment ago may be lost with it
			return err
		}
	}
	encoded, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `insert into mark values ($1, $2)`, mark.Chunk.Number, string(encoded))
	return err
}

func TestStreamIsCheckedForItsFrames(t *testing.T) {
	t.Parallel()
	header := "PGCOPY\n\xff\r\n\x00" + strings.Repeat("\x00", 8)
	for name, messages := range map[string][]string{
		"no signature":         {"\x00\x01\x00\x00\x00\x01x"},
		"another field count":  {header + "\x00\x02\x00\x00\x00\x01x\x00\x00\x00\x01y"},
		"rows after a trailer": {header + "\xff\xff", "\x00\x01\x00\x00\x00\x01x"},
		"a cut header":         {header[:12]},
	} {
		rows := &copy.Rows{Format: copy.Binary, Columns: 1}
		var err error
		for _, message := range messages {
			if _, err = rows.Write([]byte(message)); err != nil {
				break
			}
		}
		require.Error(t, err, name)
	}
}
