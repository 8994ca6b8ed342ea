package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// SharedCell stands for the cell in the login with which a service works on what all tenants of an instance share. No cell is
// called so.
const SharedCell = "shared"

const (
	sharedLockTimeout = 5 * time.Second
	sharedStatement   = 5 * time.Minute
)

// Shared is a stream of scope instance that isn't yet where it is to be on an instance.
type Shared struct {
	Instance string  `json:"instance"`
	Service  string  `json:"service"`
	From     *uint64 `json:"from,omitempty"` // nil: it isn't there
	To       uint64  `json:"to"`
}

// sharedSchema is the schema of a stream of scope instance.
func sharedSchema(s *stream.Stream) string { return underscored(s.Service) }

// PlanShared tells which streams of scope instance Prepare would make or bring forward. It changes nothing.
func (p *Provisioner) PlanShared(ctx context.Context) ([]Shared, error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	var plan []Shared
	for _, s := range p.shared {
		stand, err := p.sharedStand(ctx, conn.Conn(), s)
		if err != nil {
			return nil, err
		}
		if !p.behind(s, stand) {
			continue
		}
		pending := Shared{Instance: p.Instance, Service: s.Service, To: p.version(s)}
		if stand.Version != nil {
			pending.From = &stand.Version.Number
		}
		plan = append(plan, pending)
	}
	return plan, nil
}

func (p *Provisioner) sharedStand(ctx context.Context, conn *pgx.Conn, s *stream.Stream) (stream.Stand, error) {
	schema := sharedSchema(s)
	stands, err := stream.Stands(ctx, conn, s, []string{schema})
	if err != nil {
		return stream.Stand{}, fmt.Errorf("version of %s: %w", s.Service, err)
	}
	return stands[schema], nil
}

// behind tells whether there is something to apply. What a newer release made stays as it is.
func (p *Provisioner) behind(s *stream.Stream, stand stream.Stand) bool {
	return stand.Version == nil || stand.Version.Dirty || stand.Version.Number < p.version(s)
}

// prepareShared makes the logins and objects of the streams of scope instance. Roles and schemas are there.
func (p *Provisioner) prepareShared(ctx context.Context, conn *pgx.Conn) error {
	for _, s := range p.shared {
		if err := p.makeLogin(ctx, SharedCell, s.Service); err != nil {
			return fmt.Errorf("login of %s for the instance: %w", s.Service, err)
		}
		stand, err := p.sharedStand(ctx, conn, s)
		if err != nil {
			return err
		}
		if !p.behind(s, stand) {
			continue
		}
		schema := sharedSchema(s)
		_, err = stream.Apply(ctx, conn, stream.Target{
			Schema: schema, Role: p.names.owner(s.Service), Path: []string{schema, Ext}, At: &stand,
			LockTimeout: sharedLockTimeout, StatementTimeout: sharedStatement, Grants: p.sharedGrants(s),
		}, s, p.version(s))
		if err != nil {
			return fmt.Errorf("stream %s of the instance: %w", s.Service, err)
		}
	}
	return nil
}

// sharedGrants gives the service's own login everything but definitions on what the stream has made: all rows of it, whosoever
// they are. What tenants' roles may do is for the stream's files to say, by grants to PUBLIC and by row security: PUBLIC is none
// but those roles, since nobody else may use the schema. So each object has one entry for all tenants, however many there are.
func (p *Provisioner) sharedGrants(s *stream.Stream) string {
	schema, login := sharedSchema(s), postgres.Ident(p.names.login(SharedCell, s.Service))
	body := fmt.Sprintf(`declare o record;
begin
	for o in select c.oid, c.relname, c.relkind, c.relrowsecurity from pg_catalog.pg_class c
		where c.relnamespace = %[1]s::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S') and c.relname <> %[2]s
	loop
		if o.relkind = 'S' then
			execute format('grant usage, select on sequence %%I.%%I to %%s', %[1]s, o.relname, %[3]s);
		else
			execute format('grant select, insert, update, delete on %%I.%%I to %%s', %[1]s, o.relname, %[3]s);
		end if;
		if o.relrowsecurity and not exists (select from pg_catalog.pg_policy where polrelid = o.oid and polname = 'service') then
			execute format('create policy service on %%I.%%I to %%s using (true) with check (true)', %[1]s, o.relname, %[3]s);
		end if;
	end loop;
end`, postgres.Literal(schema), postgres.Literal(s.Table()), postgres.Literal(login))
	return "grant usage on schema " + postgres.Ident(schema) + " to " + login + ";\ndo " + postgres.Literal(body)
}

// sharedSchemaSQL makes the schema of a stream of scope instance, in which its owner makes objects and which all tenants' roles
// may use.
func (p *Provisioner) sharedSchemaSQL(seen *seen, s *stream.Stream) []string {
	schema, everyone, owner := sharedSchema(s), p.names.everyone(), p.names.owner(s.Service)
	quoted := postgres.Ident(schema)
	found, there := seen.schemas[schema]
	var sql []string
	if !there {
		sql = append(sql, "create schema "+quoted, "comment on schema "+quoted+" is "+postgres.Literal(p.names.markOf(shared)))
	}
	for _, wanted := range []grant{{owner, "USAGE"}, {owner, "CREATE"}, {everyone, "USAGE"}} {
		if slices.Contains(found.Grants, wanted) {
			continue
		}
		// The owner may pass its usage on to its login, which is there later.
		option := ""
		if wanted.To == owner && wanted.May == "USAGE" {
			option = " with grant option"
		}
		sql = append(sql, "grant "+strings.ToLower(wanted.May)+" on schema "+quoted+" to "+postgres.Ident(wanted.To)+option)
	}
	return sql
}

// refuseOthersSchemas refuses to work in the schema of a stream of scope instance that somebody else made.
func (p *Provisioner) refuseOthersSchemas(seen *seen) error {
	for _, s := range p.shared {
		name := sharedSchema(s)
		if found, there := seen.schemas[name]; there && found.Mark != p.names.markOf(shared) {
			return tenant.WithHint(fmt.Errorf("schema %q is there and %s: %w", name, whose(found.Mark), tenant.ErrConflict),
				fmt.Sprintf("service %s keeps in it what all tenants of the instance share: rename that schema", s.Service))
		}
	}
	return nil
}
