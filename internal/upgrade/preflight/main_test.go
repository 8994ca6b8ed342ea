package preflight_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/preflight"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// bundle is an instance whose tenants belong to one owner role.
type bundle struct {
	ctx   context.Context
	dsn   string
	conn  *pgx.Conn
	owner string
	opens int
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{ctx: t.Context(), dsn: localtest.Database(t), owner: localtest.Prefix(t) + "owner"}
	conn, err := postgres.Connect(b.ctx, b.dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	b.conn = conn
	b.exec(t, "create role "+postgres.Ident(b.owner)+"; create schema ext; grant usage on schema ext to "+postgres.Ident(b.owner))
	return b
}

func (b *bundle) exec(t *testing.T, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(b.ctx, b.conn, sql))
}

// tenants make schemas and run SQL in each, as the owner.
func (b *bundle) tenants(t *testing.T, sql string, names ...string) []upgrade.Member {
	t.Helper()
	members := make([]upgrade.Member, len(names))
	for i, name := range names {
		members[i] = upgrade.Member{Tenant: tenant.Name(name), Instance: "shared-1", Schema: "tenant_" + name, State: tenant.Active}
		schema, owner := postgres.Ident(members[i].Schema), postgres.Ident(b.owner)
		b.exec(t, fmt.Sprintf(`create schema %s; grant usage, create on schema %s to %s; set search_path = %s, ext; set role %s; %s; reset role; reset search_path`,
			schema, schema, owner, schema, owner, sql))
	}
	return members
}

func (b *bundle) instance(context.Context, string) (upgrade.Instance, error) {
	b.opens++
	return upgrade.Instance{Name: "shared-1", DSN: b.dsn, Hands: func(m upgrade.Member, _ string) (upgrade.Hands, error) {
		return upgrade.Hands{Role: b.owner, Path: []string{m.Schema, "ext"}}, nil
	}}, nil
}

// pending is a cohort that has files before it, one for each text.
func pending(t *testing.T, members []upgrade.Member, files ...string) []upgrade.Cohort {
	t.Helper()
	fsys := fstest.MapFS{"000_base.up.sql": {Data: []byte("select 1")}}
	for i, sql := range files {
		fsys[fmt.Sprintf("%03d_x.up.sql", i+1)] = &fstest.MapFile{Data: []byte(sql)}
	}
	s, err := stream.Read("core", fsys)
	require.NoError(t, err)
	return []upgrade.Cohort{{Stretches: []upgrade.Stretch{{Stream: s, From: new(uint64(0)), To: uint64(len(files))}}, Members: members}}
}

func (b *bundle) check(t *testing.T, cohorts []upgrade.Cohort, opts preflight.Options) preflight.Report {
	t.Helper()
	report, err := preflight.Check(b.ctx, b.instance, cohorts, opts)
	require.NoError(t, err)
	return report
}

// shown is a report as lines.
func shown(report preflight.Report) string {
	var lines []string
	for _, f := range report.Findings {
		line := fmt.Sprintf("%s %s:%d %s %s: %s", f.Tenant, f.File, f.Line, f.Severity, f.Kind, f.Message)
		if len(f.Samples) > 0 {
			line += " [" + strings.Join(f.Samples, "; ") + "]"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
