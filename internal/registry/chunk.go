package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// Chunk marks a part of a table that an operation has copied, and what it held.
type Chunk struct {
	Operation string
	Table     string // as the operation names it
	Number    int    // from 0
	Lo, Hi    string // the range, as the copy understands it; empty: open
	Token     int64  // of the lease under which it was copied
	Rows      int64
	Bytes     int64
	Hash      [16]byte // the sum of the rows' hashes
	Done      time.Time
}

// SaveChunk marks a chunk in the transaction that brings its rows. A mark that is there already is a conflict: its rows are, too.
func SaveChunk(ctx context.Context, tx pgx.Tx, chunk Chunk) error {
	_, err := tx.Exec(ctx, `
		insert into tenantctl_instance.chunk (operation, table_name, chunk, lo, hi, token, rows, bytes, hash)
		values ($1, $2, $3, nullif($4, ''), nullif($5, ''), $6, $7, $8, $9)`,
		chunk.Operation, chunk.Table, chunk.Number, chunk.Lo, chunk.Hi, chunk.Token, chunk.Rows, chunk.Bytes, chunk.Hash[:])
	if err != nil {
		return fmt.Errorf("mark chunk %d of %s: %w", chunk.Number, chunk.Table, err)
	}
	return nil
}

// Chunks lists an operation's marks, by table and number.
func Chunks(ctx context.Context, db postgres.Querier, operation string) ([]Chunk, error) {
	rows, err := db.Query(ctx, `
		select operation, table_name, chunk, coalesce(lo, ''), coalesce(hi, ''), token, rows, bytes, hash, done_at
		from tenantctl_instance.chunk where operation = $1 order by table_name, chunk`, operation)
	if err != nil {
		return nil, fmt.Errorf("read the marks of operation %s: %w", operation, err)
	}
	chunks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Chunk, error) {
		var c Chunk
		var hash []byte
		err := row.Scan(&c.Operation, &c.Table, &c.Number, &c.Lo, &c.Hi, &c.Token, &c.Rows, &c.Bytes, &hash, &c.Done)
		copy(c.Hash[:], hash)
		c.Done = c.Done.UTC()
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the marks of operation %s: %w", operation, err)
	}
	return chunks, nil
}

// ForgetChunks removes an operation's marks of a table, or, where table is empty, all of them.
func ForgetChunks(ctx context.Context, db postgres.Querier, operation, table string) error {
	_, err := db.Exec(ctx, `delete from tenantctl_instance.chunk where operation = $1 and ($2 = '' or table_name = $2)`, operation, table)
	if err != nil {
		return fmt.Errorf("remove the marks of operation %s: %w", operation, err)
	}
	return nil
}
