package inspect

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed sql/fingerprint.sql
var fingerprintSQL string

// Fingerprint is a hash over the definitions of a database. Two of one database differ when somebody ran DDL between them;
// writes, VACUUM, ANALYZE, REINDEX, sequences that advance, and a fence of ours change nothing. It doesn't compare two databases:
// OIDs are part of it.
func Fingerprint(ctx context.Context, db postgres.Querier) (string, error) {
	var sum string
	err := readOnly(ctx, db, func(tx pgx.Tx) error { return tx.QueryRow(ctx, fingerprintSQL).Scan(&sum) })
	if err != nil {
		return "", fmt.Errorf("fingerprint the catalog: %w", err)
	}
	return sum, nil
}
