package provision

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/tenant"
)

// scriptTemplate turns a template's schema into a script: what makes its objects and the rows that the files put there, version
// rows included, by the role that owns them, followed by the grants to the tenant's roles.
func (p *Provisioner) scriptTemplate(ctx context.Context, conn *pgxpool.Conn, name string, services []string) (string, error) {
	dumped, err := p.dumpTemplate(ctx, name)
	if err != nil {
		return "", err
	}
	objects, err := collect[objectSeen](ctx, conn, "objects", objectsSQL, []string{name})
	if err != nil {
		return "", err
	}
	references := p.templateReferences(objects)
	definitions := compact(dumped.definitions(references))
	if err := p.prove(ctx, conn, name, dumped, definitions); err != nil {
		p.Log.WarnContext(ctx, "template stays as dumped", "services", services, "error", err.Error())
		definitions = dumped.definitions(references)
	}
	sql := append([]string{"set local check_function_bodies = off"}, definitions...)
	return strings.Join(append(sql, p.templateGrants(name, services, objects)...), ";\n"), nil
}

// templateDump is a schema without its privileges: tables, rows, then indexes and constraints.
type templateDump struct {
	pre, data, post string
}

// dumpTemplate dumps once and has each part told by itself, owners by SET SESSION AUTHORIZATION, which is written only where the
// owner changes.
func (p *Provisioner) dumpTemplate(ctx context.Context, name string) (d templateDump, err error) {
	tools, err := p.tools()
	if err != nil {
		return d, err
	}
	archive, err := tools.Run(ctx, "pg_dump", p.DSN, "--format=custom", "--compress=0", "--schema="+name, "--no-acl",
		"--rows-per-insert=500", "--no-publications", "--no-subscriptions", "--no-security-labels", "--role="+p.names.admin())
	if err != nil {
		return d, err
	}
	for section, into := range map[string]*string{"pre-data": &d.pre, "data": &d.data, "post-data": &d.post} {
		out, err := tools.Section(ctx, section, archive, "--use-set-session-authorization", "--no-tablespaces")
		if err != nil {
			return d, err
		}
		*into = withoutMetaCommands(out)
	}
	return d, nil
}

// definitions are the statements that make the objects. Foreign keys come with post, and need the references.
func (d templateDump) definitions(references []string) []string {
	return slices.Concat(essence(d.pre), references, essence(d.data), essence(d.post))
}

// prove makes a second schema by the definitions and compares its dump with the first one's.
func (p *Provisioner) prove(ctx context.Context, conn *pgxpool.Conn, name string, want templateDump, definitions []string) (err error) {
	c, err := compile(name, strings.Join(definitions, ";\n"))
	if err != nil {
		return err
	}
	second := templateName()
	if err := p.makeTemplateSchema(ctx, conn, second); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.dropTemplate(context.WithoutCancel(ctx), conn, second)) }()
	err = p.transaction(ctx, []string{"set local check_function_bodies = off", "set local search_path = " + postgres.Ident(second) + ", " + Ext, c.instantiate(second, nil)})
	if err != nil {
		return err
	}
	have, err := p.dumpTemplate(ctx, second)
	if err != nil {
		return err
	}
	renamed := strings.NewReplacer(second, name).Replace
	if renamed(have.pre) != want.pre || renamed(have.data) != want.data || renamed(have.post) != want.post {
		return fmt.Errorf("made from fewer statements it isn't the same: %w", tenant.ErrConflict)
	}
	return nil
}

// tools are client programs that can read this server.
func (p *Provisioner) tools() (postgres.Tools, error) {
	tools, err := postgres.FindTools()
	if err == nil && tools.Major < p.major {
		err = tenant.WithHint(fmt.Errorf("pg_dump %d can't read PostgreSQL %d: %w", tools.Major, p.major, tenant.ErrRefused),
			fmt.Sprintf("install the client programs of PostgreSQL %d or newer", p.major))
	}
	return tools, err
}

// templateReferences are what one service's owner may do with another's tables.
func (p *Provisioner) templateReferences(objects []objectSeen) []string {
	var sql []string
	for _, object := range objects {
		wanted := privileges{}
		for _, g := range object.Grants {
			if g.May == "REFERENCES" && g.To != object.Owner {
				wanted.add(g.To, g.May)
			}
		}
		if len(wanted) > 0 {
			sql = append(append(sql, setRole(object.Owner)), wanted.statements("grant", object.Class, object.Identity)...)
		}
	}
	return sql
}

// templateGrants are what planGrants would find missing, with placeholders for the tenant's roles.
func (p *Provisioner) templateGrants(name string, services []string, objects []objectSeen) []string {
	var sql []string
	for _, service := range services {
		grants := &wholesale{}
		for _, object := range objects {
			if object.Owner != p.names.owner(service) || object.Class == "type" || object.Class == "other" {
				continue
			}
			wanted := privileges{}
			wanted.add(rolePlaceholder(name, service), wantedOn(service, object, object.Name == p.streams[service].Table())...)
			if len(wanted[rolePlaceholder(name, service)]) > 0 {
				grants.add("grant", object.Class, object.Identity, wanted)
			}
		}
		sql = append(sql, setRole(p.names.owner(service)))
		sql = append(sql, grants.statements()...)
	}
	return sql
}

func rolePlaceholder(name, service string) string { return name + "__role__" + service }

// aboutSession begins the statements of a dump that set up a session, or make the schema, which is planned by itself.
var aboutSession = regexp.MustCompile(`(?is)^(set |select pg_catalog\.set_config|create schema |alter schema |comment on schema |(grant|revoke) .* on schema )`)

var authorization = regexp.MustCompile(`(?is)^set session authorization (.*)$`)

// essence takes from a dump what makes objects, as statements without comments.
func essence(dump string) []string {
	var sql []string
	role := ""
	for _, statement := range lexer.Statements(dump) {
		if match := authorization.FindStringSubmatch(statement.Text); match != nil {
			role = authorizationName(match[1])
			continue
		}
		if aboutSession.MatchString(statement.Text) {
			continue
		}
		if role != "" {
			sql = append(sql, setRole(role))
			role = ""
		}
		sql = append(sql, statement.Text)
	}
	return sql
}

// authorizationName reads the role of SET SESSION AUTHORIZATION, which pg_dump writes as a string or a name.
func authorizationName(text string) string {
	for token := range lexer.Tokens(text) {
		if token.Significant() {
			return token.Value()
		}
	}
	return ""
}

// withoutMetaCommands drops psql's \restrict and \unrestrict, which stand on lines of their own.
func withoutMetaCommands(dump string) string {
	var out strings.Builder
	skipping := false
	for token := range lexer.Tokens(dump) {
		if token.IsSymbol(`\`) {
			skipping = true
		}
		if skipping && token.Kind == lexer.Whitespace && strings.Contains(token.Text, "\n") {
			skipping = false
		}
		if !skipping {
			out.WriteString(token.Text)
		}
	}
	return out.String()
}

// compiled is a script with the places marked where a tenant's names go.
type compiled struct {
	pieces []piece
}

// piece is text as it stands, followed by a place.
type piece struct {
	text  string
	place func(schema string, roles map[string]string) string
}

// compile finds the places of a template's name. Being random it can stand for nothing else, wherever it occurs: as a name, as
// a string of its own (SET search_path), within a string that holds a qualified name (nextval), as part of a role's name.
func compile(name, script string) (*compiled, error) {
	c := &compiled{}
	from := 0
	add := func(token lexer.Token, place func(string, map[string]string) string) {
		c.pieces = append(c.pieces, piece{text: script[from:token.Pos], place: place})
		from = token.End()
	}
	for token := range lexer.Tokens(script) {
		if !strings.Contains(token.Text, name) {
			continue
		}
		value := token.Value()
		service, isRole := strings.CutPrefix(value, rolePlaceholder(name, ""))
		switch {
		case token.Kind == lexer.Identifier && value == name:
			add(token, func(schema string, _ map[string]string) string { return postgres.Ident(schema) })
		case token.Kind == lexer.Identifier && isRole:
			add(token, func(_ string, roles map[string]string) string { return postgres.Ident(roles[service]) })
		case token.Kind == lexer.String && value == name:
			add(token, func(schema string, _ map[string]string) string { return postgres.Literal(schema) })
		case token.Kind == lexer.String && token.Form != lexer.Dollar && onlyQualifies(value, name):
			add(token, func(schema string, _ map[string]string) string {
				return postgres.Literal(strings.ReplaceAll(value, name+".", postgres.Ident(schema)+"."))
			})
		default:
			return nil, fmt.Errorf("don't know how to put a tenant's schema into %q: %w", token.Text, tenant.ErrRefused)
		}
	}
	c.pieces = append(c.pieces, piece{text: script[from:]})
	return c, nil
}

// onlyQualifies tells whether a name stands in a string as the first half of qualified names only.
func onlyQualifies(value, name string) bool {
	return strings.Count(value, name) == strings.Count(value, name+".")
}

// instantiate fills the places in.
func (c *compiled) instantiate(schema string, roles map[string]string) string {
	var out strings.Builder
	for _, p := range c.pieces {
		out.WriteString(p.text)
		if p.place != nil {
			out.WriteString(p.place(schema, roles))
		}
	}
	return out.String()
}

func unknownService(service string) error {
	return tenant.WithHint(fmt.Errorf("service %q has no migrations: %w", service, tenant.ErrInvalid),
		"declare it under services in tenants.yaml")
}

// inOrder sorts services as their streams are.
func (p *Provisioner) inOrder(services []string) []string {
	var ordered []string
	for _, s := range p.Streams {
		if slices.Contains(services, s.Service) {
			ordered = append(ordered, s.Service)
		}
	}
	for _, service := range services {
		if !slices.Contains(ordered, service) {
			ordered = append(ordered, service)
		}
	}
	return ordered
}
