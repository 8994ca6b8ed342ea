package provision

import (
	"context"
	_ "embed"
	"fmt"

	"tenantctl/internal/postgres"
)

//go:embed sql/privileges.sql
var privilegesSQL string

// grantableSettings is the PostgreSQL version since which settings can be granted to others than superusers.
const grantableSettings = 15

// Finding is a privilege of an administrator, and what can't be done without it.
type Finding struct {
	Privilege string `json:"privilege"`
	Have      bool   `json:"have"`
	Without   string `json:"without"`
}

// CheckPrivileges tells what the role of a connection may do of what tenantctl can use on an instance. Only the first three are
// needed to provision; the rest tell what is lost.
func CheckPrivileges(ctx context.Context, db postgres.Querier) ([]Finding, error) {
	var major int
	if err := db.QueryRow(ctx, `select current_setting('server_version_num')::int / 10000`).Scan(&major); err != nil {
		return nil, fmt.Errorf("check privileges: %w", err)
	}
	replicationRole := false
	if major >= grantableSettings {
		if err := db.QueryRow(ctx, `select has_parameter_privilege('session_replication_role', 'SET')`).Scan(&replicationRole); err != nil {
			return nil, fmt.Errorf("check privileges: %w", err)
		}
	}
	findings, err := collect[Finding](ctx, db, "privileges", privilegesSQL, replicationRole)
	if err != nil {
		return nil, fmt.Errorf("check privileges: %w", err)
	}
	return findings, nil
}
