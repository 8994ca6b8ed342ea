package fleet

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/scope"
)

// PgBouncer starts a pooler in transaction mode in front of the instance, with a few connections of its own, and returns how a
// service logs in through it for the cells given. The test is skipped where there is no pgbouncer.
func (f *Fleet) PgBouncer(t testing.TB, service string, cells ...string) scope.Login {
	t.Helper()
	p := newProgram(t, "pgbouncer")
	users := ""
	for _, cell := range cells {
		login, err := f.Provisioner.Login(cell, service)
		require.NoError(t, err)
		users += fmt.Sprintf("\"%s\" \"%s\"\n", login.Role, login.Password)
	}
	config := fmt.Sprintf(`[databases]
%s = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
`, f.Config.Database, f.Config.Host, f.Config.Port, p.port, p.file(t, "users.txt", users))
	p.args = []string{"-q", p.file(t, "pgbouncer.ini", config)}
	p.start(t)
	return func(_ context.Context, cell scope.Cell) (string, error) {
		login, err := f.Provisioner.Login(cell.Cell, service)
		return fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s user=%s password=%s sslmode=disable", p.port, f.Config.Database, login.Role, login.Password), err
	}
}
