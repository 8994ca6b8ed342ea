package provision

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/stream"
)

// templateFormat changes with the way in which scripts are made, so that those of older releases are not used.
const templateFormat = "3"

// template finds the script for a set of services, in memory, on the instance, or by making it.
func (p *Provisioner) template(ctx context.Context, services []string) (*compiled, error) {
	key, err := p.templateKey(services)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock() // one goroutine makes it, the others wait for that
	if c, ok := p.templates[key]; ok {
		return c, nil
	}
	name, script, err := p.readTemplate(ctx, key)
	if errors.Is(err, pgx.ErrNoRows) {
		name, script, err = p.makeTemplate(ctx, key, services)
	}
	if err != nil {
		return nil, fmt.Errorf("template of %s: %w", strings.Join(services, ", "), err)
	}
	c, err := compile(name, script)
	if err != nil {
		return nil, fmt.Errorf("template of %s: %w", strings.Join(services, ", "), err)
	}
	p.templates[key] = c
	return c, nil
}

// templateKey is a digest of all that a script depends on.
func (p *Provisioner) templateKey(services []string) (string, error) {
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s %d %q\n", templateFormat, p.major, p.RolePrefix) // a hash takes every write
	for _, service := range services {
		s, err := p.stream(service)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(digest, "%q %d %s\n", service, p.version(s), s.Hash(p.version(s)))
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

func (p *Provisioner) readTemplate(ctx context.Context, key string) (name, script string, err error) {
	err = p.pool.QueryRow(ctx, `select name, script from tenantctl_instance.template where key = $1`, key).Scan(&name, &script)
	return name, script, err
}

// makeTemplate applies the files in a schema of a random name, which nothing else can hold by chance, dumps it, drops it, and
// keeps what the dump comes to. Of several processes the first one's is kept.
func (p *Provisioner) makeTemplate(ctx context.Context, key string, services []string) (name, script string, err error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return "", "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	if err := p.sweepTemplates(ctx, conn); err != nil {
		return "", "", err
	}
	name = templateName()
	if err := p.buildTemplate(ctx, conn, name, p.versionsOf(services)); err != nil {
		return "", "", errors.Join(err, p.dropTemplate(context.WithoutCancel(ctx), conn, name))
	}
	script, err = p.scriptTemplate(ctx, conn, name, services)
	if err := errors.Join(err, p.dropTemplate(context.WithoutCancel(ctx), conn, name)); err != nil {
		return "", "", err
	}
	_, err = p.pool.Exec(ctx, `insert into tenantctl_instance.template (key, name, script) values ($1, $2, $3) on conflict do nothing`, key, name, script)
	if err != nil {
		return "", "", fmt.Errorf("keep it: %w", err)
	}
	return p.readTemplate(ctx, key)
}

// templateName is one that nothing else has, and that occurs in no file by chance.
func templateName() string { return "tenantctl_template_" + strings.ToLower(rand.Text())[:16] }

// makeTemplateSchema makes a schema in which all owners may make objects. The session holds a lock while it lives, by which
// others know that it isn't left over.
func (p *Provisioner) makeTemplateSchema(ctx context.Context, conn *pgxpool.Conn, name string) error {
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtextextended($1, 0))`, name); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	sql := []string{
		"begin", setRole(p.names.admin()), "create schema " + postgres.Ident(name),
		"comment on schema " + postgres.Ident(name) + " is " + postgres.Literal(p.names.markOf(template)),
	}
	for _, s := range p.Streams {
		sql = append(sql, "grant usage, create on schema "+postgres.Ident(name)+" to "+postgres.Ident(p.names.owner(s.Service)))
	}
	if err := postgres.Script(ctx, conn, strings.Join(append(sql, "commit"), ";\n")); err != nil {
		return fmt.Errorf("make schema %q: %w", name, err)
	}
	return nil
}

// buildTemplate applies the files of services up to versions.
func (p *Provisioner) buildTemplate(ctx context.Context, conn *pgxpool.Conn, name string, versions map[string]uint64) error {
	if err := p.makeTemplateSchema(ctx, conn, name); err != nil {
		return err
	}
	for _, service := range p.inOrder(slices.Sorted(maps.Keys(versions))) {
		if err := p.replay(ctx, conn.Conn(), name, service, versions[service], unrecorded); err != nil {
			return err
		}
	}
	return nil
}

// versionsOf are those that new tenants get.
func (p *Provisioner) versionsOf(services []string) map[string]uint64 {
	versions := make(map[string]uint64, len(services))
	for _, service := range services {
		if s, ok := p.streams[service]; ok {
			versions[service] = p.version(s)
		}
	}
	return versions
}

// Throwaway makes a schema from the services' files up to versions, as tenants' schemas are made, lends it, and drops it. A
// process that dies meanwhile leaves it to the next one that makes a template or a throw-away schema.
func (p *Provisioner) Throwaway(ctx context.Context, versions map[string]uint64, use func(ctx context.Context, conn *pgx.Conn, schema string) error) (err error) {
	if err := p.Prepare(ctx); err != nil {
		return err
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	if err := p.sweepTemplates(ctx, conn); err != nil {
		return err
	}
	name := templateName()
	defer func() { err = errors.Join(err, p.dropTemplate(context.WithoutCancel(ctx), conn, name)) }()
	if err := p.buildTemplate(ctx, conn, name, versions); err != nil {
		return err
	}
	return use(ctx, conn.Conn(), name)
}

// recording says whether the instance keeps what a schema was made from: not for templates, which are dropped.
type recording bool

const (
	recorded   recording = true
	unrecorded recording = false
)

// replay applies a service's files up to a version in a schema.
func (p *Provisioner) replay(ctx context.Context, conn *pgx.Conn, schema, service string, to uint64, record recording) error {
	s, err := p.stream(service)
	if err != nil {
		return err
	}
	if err := p.allowReferences(ctx, conn, schema, s); err != nil {
		return err
	}
	_, err = stream.Apply(ctx, conn, stream.Target{
		Schema: schema, Role: p.names.owner(service), Path: []string{schema, Ext}, Record: bool(record),
	}, s, to)
	return err
}

// allowReferences lets a service's files make foreign keys to tables of others: of those that they name behind REFERENCES.
func (p *Provisioner) allowReferences(ctx context.Context, conn *pgx.Conn, schema string, s *stream.Stream) error {
	targets := referenced(s)
	if len(targets) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, `select c.relname::text as name, r.rolname::text as owner from pg_class c join pg_roles r on r.oid = c.relowner
		where c.relnamespace = to_regnamespace($1) and c.relname = any($2) and c.relkind in ('r', 'p') and r.rolname <> $3 order by 2, 1`,
		postgres.Ident(schema), targets, p.names.owner(s.Service))
	if err != nil {
		return fmt.Errorf("find tables that %s refers to: %w", s.Service, err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct{ Name, Owner string }])
	if err != nil {
		return fmt.Errorf("find tables that %s refers to: %w", s.Service, err)
	}
	if len(tables) == 0 {
		return nil
	}
	sql := []string{"begin"}
	for _, table := range tables {
		sql = append(sql, setRole(table.Owner), "grant references on "+postgres.Ident(schema, table.Name)+" to "+postgres.Ident(p.names.owner(s.Service)))
	}
	if err := postgres.Script(ctx, conn, strings.Join(append(sql, "commit"), ";\n")); err != nil {
		return errors.Join(fmt.Errorf("let %s refer to tables of others: %w", s.Service, err), postgres.Script(context.WithoutCancel(ctx), conn, "rollback"))
	}
	return nil
}

// referenced lists the names that stand behind REFERENCES in a stream's files.
func referenced(s *stream.Stream) []string {
	var found []string
	for _, file := range s.Files() {
		behind := false
		for token := range lexer.Tokens(file.Up.SQL) {
			switch {
			case !token.Significant():
				continue
			case behind && token.Kind == lexer.Identifier:
				found = append(found, token.Value())
			}
			behind = token.Is("references")
		}
	}
	return found
}

func (p *Provisioner) dropTemplate(ctx context.Context, conn *pgxpool.Conn, name string) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	sql := "begin; " + setRole(p.names.admin()) + "; drop schema if exists " + postgres.Ident(name) + " cascade; commit"
	if err := postgres.Script(ctx, conn, sql); err != nil {
		return fmt.Errorf("drop schema %q: %w", name, err)
	}
	if _, err := conn.Exec(ctx, `select pg_advisory_unlock(hashtextextended($1, 0))`, name); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// sweepTemplates drops what processes left that died while they made a template.
func (p *Provisioner) sweepTemplates(ctx context.Context, conn *pgxpool.Conn) error {
	rows, err := conn.Query(ctx, `select nspname::text from pg_namespace n join pg_description d on d.objoid = n.oid and d.classoid = 'pg_namespace'::regclass
		where d.description = $1 and starts_with(nspname, 'tenantctl_template_')`, p.names.markOf(template))
	if err != nil {
		return fmt.Errorf("find leftovers: %w", err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("find leftovers: %w", err)
	}
	for _, name := range left {
		var free bool
		if err := conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended($1, 0))`, name).Scan(&free); err != nil {
			return fmt.Errorf("find leftovers: %w", err)
		}
		if free {
			if err := p.dropTemplate(ctx, conn, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Provisioner) stream(service string) (*stream.Stream, error) {
	s, ok := p.streams[service]
	if !ok {
		return nil, unknownService(service)
	}
	return s, nil
}
