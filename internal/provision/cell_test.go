package provision_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

func TestLoginsAreOfACellAndTheirPasswordsPrivate(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		opts := b.opts
		opts.TenantsPerCell = 2
		p := b.open(t, opts)
		_, err := p.ProvisionAll(b.ctx, []tenant.Spec{spec("a", "core"), spec("b", "core"), spec("c", "core")}, nil)
		require.NoError(t, err)
		entries, err := os.ReadDir(opts.CredentialsDir)
		require.NoError(t, err)
		var names []string
		for _, entry := range entries {
			info, err := entry.Info()
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode())
			names = append(names, entry.Name())
		}
		require.Equal(t, []string{"c1.core", "c2.core"}, names)
		require.Equal(t, "true false false", b.text(t, `select rolcanlogin || ' ' || rolinherit || ' ' || rolcreaterole from pg_roles where rolname = 'PREFIX_tenantctl_c1__core'`))
		require.True(t, strings.HasPrefix(b.text(t, `select rolpassword from pg_authid where rolname = 'PREFIX_tenantctl_c1__core'`), "SCRAM-SHA-256$4096:"))
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		b.provision(t, spec("a", "core"))
		before, err := b.p.Login("c1", "core")
		require.NoError(t, err)
		kept := b.text(t, `select rolpassword from pg_authid where rolname = 'PREFIX_tenantctl_c1__core'`)
		path := provision.CredentialsPath(b.opts.CredentialsDir, "c1", "core")
		require.NoError(t, os.WriteFile(path+".next", []byte("left by a process that died"), 0o600))
		require.NoError(t, b.p.RotateLogin(b.ctx, "c1", "core"))
		after, err := b.p.Login("c1", "core")
		require.NoError(t, err)
		require.Equal(t, before.Role, after.Role)
		require.NotEqual(t, before.Password, after.Password)
		require.NotEqual(t, kept, b.text(t, `select rolpassword from pg_authid where rolname = 'PREFIX_tenantctl_c1__core'`))
		require.NoFileExists(t, path+".next")
		b.login(t, "c1", "core")
		require.Error(t, b.p.RotateLogin(b.ctx, "c9", "core"), "no such login")
	})
}

// TestThePasswordIsTheOneInTheFile asks the server, over TCP with SCRAM, which trusts nobody.
func TestThePasswordIsTheOneInTheFile(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.provision(t, spec("a", "core"))
	login, err := b.p.Login("c1", "core")
	require.NoError(t, err)
	config, err := pgx.ParseConfig(b.opts.DSN)
	require.NoError(t, err)
	config.User, config.Password = login.Role, login.Password+"x"
	_, err = pgx.ConnectConfig(b.ctx, config)
	require.Error(t, err)
	config.Password = login.Password
	conn, err := pgx.ConnectConfig(b.ctx, config)
	require.NoError(t, err)
	require.NoError(t, conn.Close(b.ctx))
}

func TestAPasswordElsewhereIsNotOverwritten(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.provision(t, spec("a", "core"))
	kept := b.text(t, `select rolpassword from pg_authid where rolname = 'PREFIX_tenantctl_c1__core'`)
	elsewhere := b.opts
	elsewhere.CredentialsDir = filepath.Join(t.TempDir(), "another", "machine")
	p := b.open(t, elsewhere)
	_, err := p.Provision(b.ctx, spec("b", "core"))
	require.NoError(t, err)
	require.Equal(t, kept, b.text(t, `select rolpassword from pg_authid where rolname = 'PREFIX_tenantctl_c1__core'`))
	_, err = p.Login("c1", "core")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.NotEmpty(t, tenant.Hints(err))
}

// TestADeadProcessLeftOnlyTheFile: the role is made with the password that is there.
func TestADeadProcessLeftOnlyTheFile(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	require.NoError(t, os.MkdirAll(b.opts.CredentialsDir, 0o700))
	require.NoError(t, os.WriteFile(provision.CredentialsPath(b.opts.CredentialsDir, "c1", "core"), []byte("from before\n"), 0o600))
	b.provision(t, spec("a", "core"))
	login, err := b.p.Login("c1", "core")
	require.NoError(t, err)
	require.Equal(t, "from before", login.Password)
	b.login(t, "c1", "core")
}

func TestALoginOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.exec(t, `create role PREFIX_tenantctl_c1__core login`)
	_, err := b.p.Provision(b.ctx, spec("a", "core"))
	require.ErrorIs(t, err, tenant.ErrConflict)
}
