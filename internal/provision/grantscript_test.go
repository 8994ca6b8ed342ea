package provision_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/provision"
	"tenantctl/internal/stream"
)

// Whatever a file makes, its own transaction gives the tenant's role what provisioning would give it.
func TestHandsGrantWhatProvisionWould(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		first := `create table kept (id int primary key); create view shown as select id from kept`
		second := `
			create table "New Table" (id bigint generated always as identity primary key, n serial);
			create table parted (d date) partition by range (d);
			create table parted_1 partition of parted for values from (minvalue) to ('2020-01-01');
			create sequence counter;
			create materialized view counted as select count(*) from kept;
			create function f(int, text) returns int language sql as 'select 1';
			create procedure p() language sql as 'select 1';
			create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
			drop view shown; create view shown as select id, 1 as more from kept;
			alter table kept add column code serial`
		files := func(scripts ...string) *stream.Stream {
			fsys := fstest.MapFS{}
			for i, sql := range scripts {
				fsys["00"+string(rune('1'+i))+"_x.up.sql"] = &fstest.MapFile{Data: []byte(sql)}
			}
			s, err := stream.Read("shop", fsys)
			require.NoError(t, err)
			return s
		}
		opts := b.opts
		opts.Streams = []*stream.Stream{files(first)}
		b.p = b.open(t, opts)
		b.provision(t, spec("a", "shop"))

		opts.Streams = []*stream.Stream{files(first, second)}
		b.p = b.open(t, opts)
		require.NoError(t, b.p.Prepare(b.ctx))
		hands, err := b.p.Hands(spec("a", "shop"), "shop")
		require.NoError(t, err)
		conn := connect(t, b.opts.DSN)
		target := stream.Target{Schema: "tenant_a", Role: hands.Role, Path: hands.Path, Grants: hands.Grants, Record: true, Mark: "r1"}
		_, err = stream.Apply(b.ctx, conn, target, opts.Streams[0], 2)
		require.NoError(t, err)
		b.requireDeclared(t, spec("a", "shop"))
		require.Equal(t, "2 r1", b.text(t, `select version || ' ' || mark from tenantctl_instance.applied where schema = 'tenant_a'`))
		require.Equal(t, "", as(t, b.login(t, "c1", "shop"), b.opts.RolePrefix+"t_a__shop", "tenant_a", `select from shown; insert into "New Table" default values; select f(1, 'a'), nextval('counter')`))

		_, err = b.p.Hands(spec("a", "shop"), "other")
		require.Error(t, err)
		_, err = b.p.Delete(b.ctx, spec("a", "shop"), provision.KeepNothing, "test")
		require.NoError(t, err)
		require.Equal(t, "0", b.text(t, `select count(*)::text from tenantctl_instance.applied`))
	})
}
