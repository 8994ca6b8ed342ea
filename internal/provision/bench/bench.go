// Package bench measures how long provisioning takes, against one psql that replays the same definitions, roles and grants.
package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

// Options say what to measure and where.
type Options struct {
	// Provision is an instance on which nothing is provisioned yet, with the services that its tenants are to have. Of objects
	// that need a grant these should make tables and views only. Records may be nil.
	Provision provision.Options
	Tenants   int // on each side
	// Dir takes psql's scripts.
	Dir string
}

// Result is how long each side took. Ours includes all that a first use of the instance costs: shared roles, the template.
type Result struct {
	Tenants    int
	Ours, Psql time.Duration
}

// Ratio is our time as a part of psql's.
func (r Result) Ratio() float64 { return r.Ours.Seconds() / r.Psql.Seconds() }

// turns take place in the order ours, psql, psql, ours, so that neither side has the emptier catalog.
const turns = 4

// Run provisions half of the tenants by us, all of psql's, then the other half by us.
func Run(ctx context.Context, opts Options) (Result, error) {
	tools, err := postgres.FindTools()
	if err != nil {
		return Result{}, err
	}
	opts.Provision.Control = "bench"
	began := time.Now()
	p, err := provision.Open(ctx, opts.Provision)
	if err != nil {
		return Result{}, err
	}
	defer p.Close()
	if _, err := p.Provision(ctx, opts.spec("first", 0)); err != nil { // what is shared, and one tenant more
		return Result{}, err
	}
	result := Result{Tenants: opts.Tenants, Ours: time.Since(began)}
	tables, err := opts.tables(ctx)
	if err != nil {
		return Result{}, err
	}
	half := opts.Tenants * 2 / turns
	for turn := range turns {
		began := time.Now()
		if turn == 0 || turn == turns-1 {
			_, err = p.ProvisionAll(ctx, opts.specs("ours", turn, half), nil)
			result.Ours += time.Since(began)
		} else {
			path := filepath.Join(opts.Dir, fmt.Sprintf("turn%d.sql", turn))
			if err := os.WriteFile(path, []byte(opts.script(tables, opts.specs("psql", turn, half))), 0o600); err != nil {
				return Result{}, fmt.Errorf("write script: %w", err)
			}
			began = time.Now()
			_, err = tools.Run(ctx, "psql", opts.Provision.DSN, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output="+os.DevNull, "--file="+path)
			result.Psql += time.Since(began)
		}
		if err != nil {
			return Result{}, err
		}
	}
	return result, nil
}

func (o Options) specs(side string, turn, n int) []tenant.Spec {
	specs := make([]tenant.Spec, n)
	for i := range specs {
		specs[i] = o.spec(fmt.Sprintf("%s%d", side, turn), i)
	}
	return specs
}

func (o Options) spec(name string, i int) tenant.Spec {
	full := tenant.Name(fmt.Sprintf("%s-%d", name, i))
	var services []string
	for _, s := range o.Provision.Streams {
		services = append(services, s.Service)
	}
	return tenant.Spec{Name: full, Instance: o.Provision.Instance, Schema: "tenant_" + full.Ident(), State: tenant.Active, Services: services}
}

// tables lists the tables and views of a tenant by owner, as GRANT wants them.
func (o Options) tables(ctx context.Context) (map[string]string, error) {
	conn, err := postgres.Connect(ctx, o.Provision.DSN, postgres.Options{Application: "bench"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `select relowner::regrole::text, string_agg(quote_ident(relname), ', ') from pg_class
		where relnamespace = 'tenant_first_0'::regnamespace and relkind in ('r', 'p', 'v') and not starts_with(relname, 'schema_migrations_') group by 1`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	lists, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Owner, List string }])
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables := map[string]string{}
	for _, l := range lists {
		tables[l.Owner] = l.List
	}
	return tables, nil
}

// script is what somebody would write who does the same by hand: a transaction a tenant, every file as it is.
func (o Options) script(tables map[string]string, specs []tenant.Spec) string {
	var out strings.Builder
	for _, spec := range specs {
		for _, statement := range o.byHand(tables, spec) {
			out.WriteString(statement + ";\n")
		}
	}
	return out.String()
}

func (o Options) byHand(tables map[string]string, spec tenant.Spec) []string {
	prefix := o.Provision.RolePrefix
	schema := postgres.Ident(spec.Schema)
	mark := postgres.Literal("tenantctl:bench:" + string(spec.Name))
	sql := []string{
		"begin", "set local role " + prefix + "tenantctl_admin", "set local search_path = " + schema + ", ext",
		"create schema " + schema, "comment on schema " + schema + " is " + mark,
	}
	for _, s := range o.Provision.Streams {
		owner, role := prefix+"tenantctl_owner__"+s.Service, prefix+"t_"+spec.Name.Ident()+"__"+s.Service
		sql = append(sql, "create role "+role+" nologin in role "+prefix+"tenantctl_tenants", "comment on role "+role+" is "+mark,
			"grant usage, create on schema "+schema+" to "+owner, "grant usage on schema "+schema+" to "+role,
			"set local role "+owner, "create table "+s.Table()+" (version bigint not null primary key, dirty boolean not null)")
		for _, file := range s.Files() {
			sql = append(sql, strings.TrimSuffix(strings.TrimSpace(file.Up.SQL), ";"))
		}
		sql = append(sql, fmt.Sprintf("insert into %s values (%d, false)", s.Table(), s.Newest()))
		sql = append(sql, "grant select, insert, update, delete on "+tables[owner]+" to "+role)
		sql = append(sql, "set local role "+prefix+"tenantctl_admin", "grant "+role+" to "+prefix+"tenantctl_c1__"+s.Service)
	}
	return append(sql, "commit")
}
