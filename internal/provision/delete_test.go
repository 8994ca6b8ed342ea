package provision_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

func TestArchiveIsRestoredByPlainPgRestore(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		s := spec("x", "core", "billing")
		s.Schema = `Tenant "X"*?`
		b.provision(t, s, spec("y", "core"))
		b.exec(t, `insert into "Tenant ""X""*?".customers (code, name) select i, 'c' || i from generate_series(1, 500) as i;
			insert into "Tenant ""X""*?".plans (cycle) values ('year')`)
		manifest, err := b.p.Archive(b.ctx, s)
		require.NoError(t, err)

		require.Equal(t, []string{s.Schema}, manifest.Schemas)
		require.Equal(t, tenant.Version{Number: 7}, manifest.Versions["core"])
		dump, err := os.ReadFile(manifest.File)
		require.NoError(t, err)
		sum := sha256.Sum256(dump)
		require.Equal(t, hex.EncodeToString(sum[:]), manifest.SHA256)
		require.Equal(t, int64(len(dump)), manifest.Bytes)
		var kept provision.Manifest
		body, err := os.ReadFile(strings.TrimSuffix(manifest.File, ".dump") + ".json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(body, &kept))
		manifest.Extensions = nil // an empty list isn't written
		require.Equal(t, manifest, kept)

		tools, err := postgres.FindTools()
		require.NoError(t, err)
		empty := localtest.Database(t)
		args := strings.Fields(strings.NewReplacer("--dbname=DATABASE", "").Replace(manifest.Restore))
		args[len(args)-1] = manifest.File
		_, err = tools.Run(b.ctx, args[0], empty, args[1:]...)
		require.NoError(t, err)
		restored := connect(t, empty)
		require.NotEmpty(t, manifest.Tables)
		for _, table := range manifest.Tables {
			var rows int64
			require.NoError(t, restored.QueryRow(b.ctx, `select count(*) from only `+pgx.Identifier{table.Schema, table.Name}.Sanitize()).Scan(&rows))
			require.Equal(t, table.Rows, rows, table.Name)
		}
		var total int
		require.NoError(t, restored.QueryRow(b.ctx, `select count(*) from "Tenant ""X""*?".customers`).Scan(&total))
		require.Equal(t, 500, total)
		b.requireDeclared(t, s)
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		x, y := spec("x", "core", "billing"), spec("y", "core", "billing")
		b.provision(t, x, y)
		neighbor := b.dump(t, "tenant_y", "y")
		b.exec(t, `insert into tenant_x.customers (code, name) values ('a', 'A')`)
		deletion, err := b.p.Delete(b.ctx, x, provision.KeepArchive, "left us")
		require.NoError(t, err)
		require.FileExists(t, deletion.Archive.File)
		require.Equal(t, []string{"tenant_x"}, deletion.Schemas)
		require.Len(t, deletion.Roles, 2)
		require.Equal(t, "0 0", b.text(t, `select (select count(*) from pg_namespace where nspname = 'tenant_x') || ' ' ||
			(select count(*) from pg_roles where starts_with(rolname, 'PREFIX_t_x__'))`))
		require.Equal(t, neighbor, b.dump(t, "tenant_y", "y"))
		b.requireDeclared(t, y)
		_, err = b.records.Tenant(b.ctx, "x")
		require.ErrorIs(t, err, tenant.ErrNotFound)

		deletion, err = b.p.Delete(b.ctx, x, provision.KeepArchive, "again")
		require.NoError(t, err)
		require.Nil(t, deletion.Archive)
		b.provision(t, x)
		b.requireDeclared(t, x, y)
	})
}

func TestDeleteOfALiftedTenant(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		s := legacySpec()
		tenancy := b.p.Tenancy(s)
		schemas := []string{"tenant_old", "tenant_old__audit"}
		owner, err := tenancy.Provision(b.ctx, schemas)
		require.NoError(t, err)
		loadLegacy(t, b, owner)
		require.NoError(t, tenancy.Grant(b.ctx, schemas))
		path, err := tenancy.Archive(b.ctx, schemas)
		require.NoError(t, err)
		require.FileExists(t, path)
		deletion, err := b.p.Delete(b.ctx, s, provision.KeepNothing, "")
		require.NoError(t, err)
		require.Equal(t, schemas, deletion.Schemas)
		require.Equal(t, "0 0", b.text(t, `select (select count(*) from pg_namespace where starts_with(nspname, 'tenant_old')) || ' ' ||
			(select count(*) from pg_roles where starts_with(rolname, 'PREFIX_t_old__'))`))
	})
}

func TestDeleteRefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		x := spec("x", "core")
		b.provision(t, x)
		b.exec(t, `create role PREFIX_analyst; create schema analyst`)
		for _, tc := range []struct{ make, named, undo string }{
			{`create table tenant_x.notes (); alter table tenant_x.notes owner to PREFIX_analyst`, "tenant_x.notes", `drop table tenant_x.notes`},
			{`create view analyst.v as select * from tenant_x.orders`, "analyst.v", `drop view analyst.v`},
			{`create table analyst.t (id bigint references tenant_x.orders)`, "analyst.t", `drop table analyst.t`},
			{`create table analyst.own (); alter table analyst.own owner to PREFIX_t_x__core`, "analyst.own", `drop table analyst.own`},
			{`comment on schema tenant_x is 'mine now'`, "tenant_x", `comment on schema tenant_x is 'tenantctl:` + b.opts.Control + `:x'`},
		} {
			b.exec(t, tc.make)
			_, err := b.p.Delete(b.ctx, x, provision.KeepNothing, "")
			require.ErrorIs(t, err, tenant.ErrConflict, tc.named)
			require.ErrorContains(t, err, tc.named)
			require.NotEmpty(t, tenant.Hints(err))
			b.exec(t, tc.undo)
			b.requireDeclared(t, x)
		}
		_, err := b.p.Delete(b.ctx, x, provision.KeepNothing, "")
		require.NoError(t, err)
	})
}

// TestDeleteOfManyTables drops more than the server has room for locks in one transaction.
func TestDeleteOfManyTables(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	s := legacySpec()
	owner, err := b.p.Tenancy(s).Provision(b.ctx, []string{"tenant_old"})
	require.NoError(t, err)
	b.exec(t, `set role `+owner)
	b.exec(t, `do $$ begin
		for i in 1..1500 loop
			execute format('create table tenant_old.t%s (id int primary key, t text unique, n int references tenant_old.t%s)', i, greatest(i - 1, 1));
			if i % 100 = 0 then commit; end if;
		end loop; end $$`)
	_, err = b.p.Delete(b.ctx, s, provision.KeepNothing, "")
	require.NoError(t, err)
	require.Equal(t, "gone", b.text(t, `select coalesce(to_regnamespace('tenant_old')::text, 'gone')`))
}
