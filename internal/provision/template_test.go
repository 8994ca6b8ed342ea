package provision_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

// TestReplayAndTemplateGiveTheSame provisions one tenant from the template, and another by every file, onto a schema that has
// an object already.
func TestReplayAndTemplateGiveTheSame(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		b.provision(t, spec("templated", "core", "billing"))
		require.Equal(t, "0", b.text(t, `select position('ADD CONSTRAINT customers_pkey' in script)::text from tenantctl_instance.template`), "in few statements")
		require.Equal(t, "2", b.text(t, `select count(*)::text from tenant_templated.plans`), "with the rows that the files insert")

		replayed := spec("replayed")
		b.provision(t, replayed) // a schema with nothing in it
		b.exec(t, `create domain tenant_replayed.occupied as int`)
		replayed.Services = []string{"core", "billing"}
		b.provision(t, replayed)
		b.exec(t, `drop domain tenant_replayed.occupied`)
		require.Equal(t, "1", b.text(t, `select count(*)::text from tenantctl_instance.template`))
		b.requireDeclared(t, replayed)

		require.Equal(t, b.dump(t, "tenant_replayed", "replayed"), b.dump(t, "tenant_templated", "templated"))
		require.Empty(t, b.templates(t))
	})
}

func TestTheTemplateIsKeptAndFollowsTheFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.provision(t, spec("a", "core"))
	made := b.text(t, `select key || made_at from tenantctl_instance.template`)
	again := b.open(t, b.opts)
	_, err := again.Provision(b.ctx, spec("b", "core"))
	require.NoError(t, err)
	require.Equal(t, made, b.text(t, `select key || made_at from tenantctl_instance.template`), "another process uses what the first made")

	pinned := b.opts
	pinned.Versions = map[string]uint64{"core": 3}
	p := b.open(t, pinned)
	_, err = p.Provision(b.ctx, spec("c", "core"))
	require.NoError(t, err)
	require.Equal(t, "2", b.text(t, `select count(*)::text from tenantctl_instance.template`))
	versions, err := stream.Versions(b.ctx, b.root, []string{"tenant_a", "tenant_c"}, []*stream.Stream{coreStream(t)})
	require.NoError(t, err)
	require.Equal(t, uint64(7), versions["tenant_a"]["core"].Number)
	require.Equal(t, uint64(3), versions["tenant_c"]["core"].Number)

	// The stream goes on where the template ends.
	_, err = stream.Apply(b.ctx, b.root, stream.Target{Schema: "tenant_c", Role: b.opts.RolePrefix + "tenantctl_owner__core"}, coreStream(t), 7)
	require.NoError(t, err)
	b.provision(t, spec("c", "core"))
	require.Equal(t, b.dump(t, "tenant_a", "a"), b.dump(t, "tenant_c", "c"))
}

func TestLeftoversOfADeadProcessAreSwept(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	require.NoError(t, b.p.Prepare(b.ctx))
	mark := `comment on schema tenantctl_template_%s is 'tenantctl:` + b.opts.Control + `:*template'`
	for _, name := range []string{"dead", "alive"} {
		b.exec(t, `create schema tenantctl_template_`+name+`; alter schema tenantctl_template_`+name+` owner to PREFIX_tenantctl_admin; `+
			fmt.Sprintf(mark, name)+`; create table tenantctl_template_`+name+`.t ()`)
	}
	b.exec(t, `create schema tenantctl_template_foreign`)
	_, err := b.root.Exec(b.ctx, `select pg_advisory_lock(hashtextextended('tenantctl_template_alive', 0))`)
	require.NoError(t, err)
	b.provision(t, spec("a", "core"))
	require.Equal(t, "tenantctl_template_alive,tenantctl_template_foreign", b.text(t, `select string_agg(nspname, ',' order by nspname)
		from pg_namespace where starts_with(nspname, 'tenantctl_template')`))
}

func TestAFailingFileLeavesNoTemplate(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	opts := b.opts
	opts.Streams = append(opts.Streams, readStream(t, "broken", `create table t (id int references orders); select 1/0`))
	p := b.open(t, opts)
	_, err := p.Provision(b.ctx, spec("a", "core", "broken"))
	var declined *stream.Error
	require.ErrorAs(t, err, &declined)
	require.Equal(t, "22012", postgres.Code(err))
	require.Empty(t, b.templates(t))
	require.Equal(t, "", b.text(t, `select coalesce(string_agg(nspname, ','), '') from pg_namespace where starts_with(nspname, 'tenant_')`))
	_, err = p.Provision(b.ctx, spec("a", "core"))
	require.NoError(t, err)
}
