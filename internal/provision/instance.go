package provision

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

//go:embed sql/instance/*.sql
var instanceFiles embed.FS

const cleanupTimeout = 30 * time.Second

// Prepare makes what the tenants of an instance share: the roles of tenantctl and of the services' owners, the schema ext, and
// tenantctl's own schema. It is called by all that need it, works once in a process, and finds nothing to do after the first.
func (p *Provisioner) Prepare(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prepared {
		return nil
	}
	err := p.retry(ctx, func() error {
		conn, err := p.pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		defer conn.Release()
		return p.prepare(ctx, conn.Conn())
	})
	if err != nil {
		return fmt.Errorf("prepare instance %q: %w", p.Instance, err)
	}
	p.prepared = true
	return nil
}

func (p *Provisioner) prepare(ctx context.Context, conn *pgx.Conn) error {
	files, err := fs.Sub(instanceFiles, "sql/instance")
	if err != nil {
		return err
	}
	if err := postgres.MigrateSchema(ctx, conn, InstanceSchema, files); err != nil {
		return err
	}
	if err := stream.Prepare(ctx, conn, p.Streams...); err != nil {
		return err
	}
	if err := p.prepareRoles(ctx, conn); err != nil {
		return err
	}
	return p.prepareShared(ctx, conn)
}

func (p *Provisioner) prepareRoles(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Processes that prepare at once do it one after the other; the later ones find it done.
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "tenantctl:prepare:"+p.RolePrefix); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		sql, err := p.planInstance(ctx, tx)
		if err != nil || len(sql) == 0 {
			return err
		}
		return postgres.Script(ctx, tx, strings.Join(sql, ";\n"))
	})
}

// planInstance lists the statements that are missing.
func (p *Provisioner) planInstance(ctx context.Context, tx pgx.Tx) ([]string, error) {
	n := p.names
	roles, schemas := []string{n.admin(), n.everyone()}, []string{Ext, InstanceSchema}
	for _, s := range p.Streams {
		roles = append(roles, n.owner(s.Service))
	}
	for _, s := range p.shared {
		roles, schemas = append(roles, n.owner(s.Service)), append(schemas, sharedSchema(s))
	}
	s, err := look(ctx, tx, roles, schemas, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, name := range roles {
		if role, there := s.roles[name]; there && role.Mark != n.markOf(shared) {
			return nil, tenant.WithHint(fmt.Errorf("role %q is there and %s: %w", name, whose(role.Mark), tenant.ErrConflict),
				fmt.Sprintf("rename that role, or set `rolePrefix:` under instances.%s", p.Instance))
		}
	}
	if ext, there := s.schemas[Ext]; there && ext.Mark != n.markOf(shared) {
		return nil, tenant.WithHint(fmt.Errorf("schema %q is there and %s: %w", Ext, whose(ext.Mark), tenant.ErrConflict),
			"tenants find shared extensions in it: rename that schema")
	}
	if err := p.refuseOthersSchemas(s); err != nil {
		return nil, err
	}
	var me, database string
	var super, may bool
	err = tx.QueryRow(ctx, `select current_user::text, current_database()::text, rolsuper,
		coalesce((select has_database_privilege(oid, current_database(), 'CREATE') from pg_roles where rolname = $1), false)
		from pg_roles where rolname = current_user`, n.admin()).Scan(&me, &database, &super, &may)
	if err != nil {
		return nil, fmt.Errorf("ask who we are: %w", err)
	}
	return p.instanceSQL(s, me, database, super, may), nil
}

// instanceSQL compares. The administrator becomes a member of the role that owns the rest; a superuser needs no membership.
func (p *Provisioner) instanceSQL(s *seen, me, database string, super, adminMayCreate bool) []string {
	n := p.names
	admin, everyone := postgres.Ident(n.admin()), postgres.Ident(n.everyone())
	var asMe, asAdmin []string
	if _, there := s.roles[n.admin()]; !there {
		asMe = append(asMe, "create role "+admin+" nologin createrole", "comment on role "+admin+" is "+postgres.Literal(n.markOf(shared)))
	}
	if !super && !slices.Contains(s.roles[n.admin()].Members, me) {
		asMe = append(asMe, "grant "+admin+" to "+postgres.Ident(me))
	}
	if !adminMayCreate {
		asMe = append(asMe, "grant create on database "+postgres.Ident(database)+" to "+admin)
	}
	asAdmin = append(asAdmin, p.sharedRole(s, n.everyone())...)
	for _, service := range p.Streams {
		asAdmin = append(asAdmin, p.ownerRole(s, n.owner(service.Service))...)
	}
	if _, there := s.schemas[Ext]; !there {
		asAdmin = append(asAdmin, "create schema "+Ext, "comment on schema "+Ext+" is "+postgres.Literal(n.markOf(shared)))
	}
	if !maySee(s.schemas[Ext], public) {
		asAdmin = append(asAdmin, "grant usage on schema "+Ext+" to public")
	}
	for _, service := range p.shared {
		asAdmin = append(asAdmin, p.ownerRole(s, n.owner(service.Service))...)
		asAdmin = append(asAdmin, p.sharedSchemaSQL(s, service)...)
	}
	if !maySee(s.schemas[InstanceSchema], n.everyone()) {
		asAdmin = append(asAdmin, "reset role", "grant usage on schema "+InstanceSchema+" to "+everyone)
	}
	if len(asAdmin) > 0 {
		asMe = append(append(asMe, setRole(n.admin())), asAdmin...)
	}
	return asMe
}

// public has what is on the path of every statement of every tenant: where PUBLIC may see a schema, PostgreSQL needn't look for the
// memberships of each tenant's role anew.
const public = ""

func maySee(schema schemaSeen, role string) bool {
	return slices.Contains(schema.Grants, grant{To: role, May: "USAGE"})
}

func (p *Provisioner) sharedRole(s *seen, name string) []string {
	if _, there := s.roles[name]; there {
		return nil
	}
	return []string{
		"create role " + postgres.Ident(name) + " nologin",
		"comment on role " + postgres.Ident(name) + " is " + postgres.Literal(p.names.markOf(shared)),
	}
}

// ownerRole is a role that owns objects in tenants' schemas: the administrators' role is a member of it, it is one of those
// that may use what is shared, and what it makes can't be run by PUBLIC.
func (p *Provisioner) ownerRole(s *seen, name string) []string {
	n, quoted := p.names, postgres.Ident(name)
	sql := p.sharedRole(s, name)
	role := s.roles[name]
	if !slices.Contains(role.Members, n.admin()) {
		sql = append(sql, "grant "+quoted+" to "+postgres.Ident(n.admin()))
	}
	if !slices.Contains(role.MemberOf, n.everyone()) {
		sql = append(sql, "grant "+postgres.Ident(n.everyone())+" to "+quoted)
	}
	if !role.PrivateFunctions {
		sql = append(sql, "alter default privileges for role "+quoted+" revoke execute on functions from public")
	}
	return sql
}

const (
	retries    = 8
	retryPause = 20 * time.Millisecond
)

// retry runs something again that met another process at the same work: a lock, a role or schema made a moment before, a
// catalog row updated at the same time.
func (p *Provisioner) retry(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		class := postgres.Classify(err)
		if err == nil || try == retries || class != postgres.Retryable && class != postgres.Conflict {
			return err
		}
		if errors.Is(err, tenant.ErrConflict) || ctx.Err() != nil {
			return err
		}
		p.Log.WarnContext(ctx, "retry", "try", try, "error", err.Error())
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * jitter(retryPause)):
		}
	}
}
