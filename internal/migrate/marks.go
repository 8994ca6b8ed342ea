package migrate

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/registry"
)

// marks keeps what has arrived on the shared instance, under the move's lease. Chunks of rows and definitions share a table:
// a definition is a chunk without rows of a section whose name no table can have.
type marks struct{ m *Move }

const sectionPrefix = "#" // a table whose name begins so is written in quotes

func (k marks) all(ctx context.Context) ([]registry.Chunk, error) {
	conn, err := k.m.dialTarget(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return registry.Chunks(ctx, conn, k.m.op.ID)
}

// Hold proves that the lease is still ours until the transaction's end.
func (k marks) Hold(ctx context.Context, tx pgx.Tx) error {
	return registry.HoldToken(ctx, tx, leaseName(k.m.Spec.Name), k.m.lease.Token())
}

// rowMarks implements copy.Marks.
type rowMarks struct{ marks }

// Done implements copy.Marks.
func (k rowMarks) Done(ctx context.Context) ([]copy.Mark, error) {
	chunks, err := k.all(ctx)
	if err != nil {
		return nil, err
	}
	var done []copy.Mark
	for _, chunk := range chunks {
		if chunk.Table[:1] == sectionPrefix {
			continue
		}
		sum := copy.SumOf(chunk.Rows, chunk.Bytes, chunk.Hash)
		done = append(done, copy.Mark{Table: chunk.Table, Chunk: copy.Chunk{Number: chunk.Number}, Sum: sum})
	}
	return done, nil
}

// Save implements copy.Marks.
func (k rowMarks) Save(ctx context.Context, tx pgx.Tx, mark copy.Mark) error {
	return registry.SaveChunk(ctx, tx, registry.Chunk{
		Operation: k.m.op.ID, Table: mark.Table, Number: mark.Chunk.Number, Token: k.m.lease.Token(),
		Lo: strconv.FormatInt(mark.Chunk.From, 10), Hi: strconv.FormatInt(mark.Chunk.To, 10),
		Rows: mark.Sum.Rows, Bytes: mark.Sum.Bytes, Hash: mark.Sum.Hash(),
	})
}

// Flush implements copy.Marks: a commit that waits for the disk takes all earlier ones along.
func (k rowMarks) Flush(ctx context.Context) error {
	conn, err := k.m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := k.Hold(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "set local synchronous_commit = on"); err != nil {
			return fmt.Errorf("set synchronous_commit: %w", err)
		}
		// A transaction without an id of its own would commit without writing anything.
		_, err := tx.Exec(ctx, "select txid_current()")
		return err
	})
}

// sums adds the marks up by table: what the source sent.
func (k rowMarks) sums(ctx context.Context) (map[string]copy.Sum, error) {
	done, err := k.Done(ctx)
	if err != nil {
		return nil, err
	}
	sums := map[string]copy.Sum{}
	for _, mark := range done {
		sum := sums[mark.Table]
		sum.Merge(mark.Sum)
		sums[mark.Table] = sum
	}
	return sums, nil
}

// sectionMarks implements ddl.Marks.
type sectionMarks struct{ marks }

// Done implements ddl.Marks.
func (k sectionMarks) Done(ctx context.Context, section string) (map[int]bool, error) {
	chunks, err := k.all(ctx)
	if err != nil {
		return nil, err
	}
	done := map[int]bool{}
	for _, chunk := range chunks {
		if chunk.Table == sectionPrefix+section {
			done[chunk.Number] = true
		}
	}
	return done, nil
}

// Save implements ddl.Marks.
func (k sectionMarks) Save(ctx context.Context, tx pgx.Tx, section string, index int) error {
	return registry.SaveChunk(ctx, tx, registry.Chunk{
		Operation: k.m.op.ID, Table: sectionPrefix + section, Number: index, Token: k.m.lease.Token(), Hash: copy.Sum{}.Hash(),
	})
}
