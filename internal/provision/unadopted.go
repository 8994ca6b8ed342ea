package provision

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/unadopted.sql
	unadoptedSQL string
	//go:embed sql/django_tenants.sql
	djangoTenantsSQL string
)

// Unadopted is a schema of the instance that could be a tenant's.
type Unadopted struct {
	Name, Owner, Mark string
	Quoted            string // the name as the server quotes it
	Tables            int
	Bytes             int64
	VersionTables     []string // tables as golang-migrate keeps them
	Rails             bool     // Apartment's, or another of Rails
}

// Whose tells who made the schema what it is, by its mark: "" where nobody has claimed it, the tenant's name where we have.
func (p *Provisioner) Whose(u Unadopted) (name tenant.Name, ours, claimed bool) {
	rest, ours := strings.CutPrefix(u.Mark, p.names.markOf(""))
	if ours {
		return tenant.Name(rest), true, true
	}
	return "", false, u.Mark != ""
}

// Unadopted lists the schemas of the instance, or those of the names given.
func (p *Provisioner) Unadopted(ctx context.Context, names []string) ([]Unadopted, error) {
	return collect[Unadopted](ctx, p.pool, "schemas", unadoptedSQL, names)
}

// DjangoTenants are the schemas of the fleet that django-tenants keeps in this database; tenant.ErrNotFound where there is none.
func (p *Provisioner) DjangoTenants(ctx context.Context) ([]string, error) {
	tables, err := collect[struct{ Name string }](ctx, p.pool, "tables of django-tenants", djangoTenantsSQL)
	switch {
	case err != nil:
		return nil, err
	case len(tables) == 0:
		return nil, tenant.WithHint(fmt.Errorf("no table in public has a column schema_name and domains: %w", tenant.ErrNotFound),
			"name the schemas instead: --schemas 'PATTERN'")
	case len(tables) > 1:
		return nil, tenant.WithHint(fmt.Errorf("more than one table could be django-tenants': %s, %s: %w", tables[0].Name, tables[1].Name, tenant.ErrConflict),
			"name the schemas instead: --schemas 'PATTERN'")
	}
	rows, err := p.pool.Query(ctx, `select schema_name::text from `+tables[0].Name+` where schema_name <> 'public' order by 1`)
	if err != nil {
		return nil, fmt.Errorf("read the fleet from %s: %w", tables[0].Name, err)
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the fleet from %s: %w", tables[0].Name, err)
	}
	return schemas, nil
}
