package migrate

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/cutover"
	"tenantctl/internal/postgres"
)

const application = "migrate"

// dialOwner opens the legacy database to change it: only the fence does.
func (m *Move) dialOwner(ctx context.Context) (*pgx.Conn, error) {
	return postgres.Connect(ctx, m.Source, postgres.Options{Application: application, Settings: cutover.Settings()})
}

// dialSource opens the legacy database to read it under its own search path.
func (m *Move) dialSource(ctx context.Context) (*pgx.Conn, error) {
	settings := copy.SessionSettings(quotedPath(m.plan.SourcePath))
	settings["default_transaction_read_only"] = "on"
	return postgres.Connect(ctx, m.Source, postgres.Options{Application: application, Settings: settings})
}

// dialRows opens the shared instance to load or read rows.
func (m *Move) dialRows(ctx context.Context) (*pgx.Conn, error) {
	return postgres.Connect(ctx, m.Target, postgres.Options{Application: application, Settings: copy.SessionSettings(quotedPath(m.plan.RowPath))})
}

// dialTarget opens the shared instance for everything else.
func (m *Move) dialTarget(ctx context.Context) (*pgx.Conn, error) {
	return postgres.Connect(ctx, m.Target, postgres.Options{Application: application, Settings: map[string]string{
		"search_path": "", "client_min_messages": "warning", "xmloption": "content",
	}})
}

// indexMemory is what an index build may sort in; the number of jobs bounds how often.
const indexMemory = "128MB"

// dialIndex opens the shared instance to build indexes. Nobody else works on the tenant's tables: builds wait for one another.
func (m *Move) dialIndex(ctx context.Context) (*pgx.Conn, error) {
	return postgres.Connect(ctx, m.Target, postgres.Options{Application: application, LockTimeout: -1, Settings: map[string]string{
		"search_path": "", "client_min_messages": "warning", "xmloption": "content", "maintenance_work_mem": indexMemory,
	}})
}

func quotedPath(path []string) string {
	quoted := make([]string, len(path))
	for i, schema := range path {
		quoted[i] = postgres.Ident(schema)
	}
	return strings.Join(quoted, ", ")
}
