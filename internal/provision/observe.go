package provision

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/schemas.sql
	schemasSQL string
	//go:embed sql/roles.sql
	rolesSQL string
	//go:embed sql/objects.sql
	objectsSQL string
)

// grant is one privilege of one role; To is "" for PUBLIC.
type grant struct {
	To  string `json:"to"`
	May string `json:"may"`
}

type schemaSeen struct {
	Name, Owner, Mark string
	Grants            []grant
}

type roleSeen struct {
	Name, Mark        string
	OrdinaryPower     bool // to log in, or to make roles or databases
	HighPower         bool // superuser, replication, bypass of row security
	MemberOf, Members []string
	PrivateFunctions  bool // EXECUTE isn't PUBLIC's on what it makes
}

type objectSeen struct {
	Schema, Class, Word   string
	Name, Identity, Owner string
	Follows               bool // a sequence that a column owns: it follows the table's owner
	Hidden                bool // the sequence of an identity column, which nobody needs a privilege on
	Grants                []grant
}

// seen is what there is of one tenant, or of what tenants share.
type seen struct {
	schemas  map[string]schemaSeen
	roles    map[string]roleSeen
	objects  []objectSeen
	versions map[string]map[string]tenant.Version // by schema and service
}

// look reads roles and schemas by name and by mark, and the objects and versions in those schemas: three queries and three for
// each stream, whatever the number of names.
func look(ctx context.Context, db postgres.Querier, roles, schemas, marks []string, streams []*stream.Stream) (*seen, error) {
	s := &seen{schemas: map[string]schemaSeen{}, roles: map[string]roleSeen{}}
	foundSchemas, err := collect[schemaSeen](ctx, db, "schemas", schemasSQL, schemas, marks)
	if err != nil {
		return nil, err
	}
	foundRoles, err := collect[roleSeen](ctx, db, "roles", rolesSQL, roles, marks)
	if err != nil {
		return nil, err
	}
	for _, role := range foundRoles {
		s.roles[role.Name] = role
	}
	if len(foundSchemas) == 0 {
		return s, nil
	}
	var there []string
	for _, schema := range foundSchemas {
		s.schemas[schema.Name] = schema
		there = append(there, schema.Name)
	}
	if s.objects, err = collect[objectSeen](ctx, db, "objects", objectsSQL, there); err != nil {
		return nil, err
	}
	s.versions, err = stream.Versions(ctx, db, there, streams)
	return s, err
}

func collect[T any](ctx context.Context, db postgres.Querier, what, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return found, nil
}

// of picks what concerns one tenant out of what was seen of many.
func (s *seen) of(t tenancy, beside []string) *seen {
	one := &seen{schemas: map[string]schemaSeen{}, roles: map[string]roleSeen{}, versions: s.versions}
	for name, schema := range s.schemas {
		if name == t.spec.Schema || schema.Mark == t.mark || slices.Contains(beside, name) {
			one.schemas[name] = schema
		}
	}
	for name, role := range s.roles {
		if role.Mark == t.mark || slices.Contains(t.roleNames(), name) {
			one.roles[name] = role
		}
	}
	for _, object := range s.objects {
		if _, ok := one.schemas[object.Schema]; ok {
			one.objects = append(one.objects, object)
		}
	}
	return one
}

func (t tenancy) roleNames() []string {
	all := []string{t.liftedBy}
	for _, service := range t.services {
		all = append(all, t.roles[service])
	}
	return all
}

// hasLift tells whether the tenant has the roles of a lift.
func (s *seen) hasLift(t tenancy) bool { return s.roles[t.liftedBy].Mark == t.mark }
