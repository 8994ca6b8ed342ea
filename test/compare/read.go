package compare

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed sql/*.sql
var queries embed.FS

// factQueries are the files that list facts of the schemas given: kind, schema, name, property, form, value.
func factQueries() []string {
	return []string{
		"schema", "relation", "column", "constraint", "index", "trigger", "rule", "sequence", "type", "function",
		"operator", "cast", "text", "statistics", "policy", "extension", "stranger",
	}
}

// pinned are the settings under which everything is read: names in full, values to their last digit.
const pinned = `
	set local search_path = ''; set local row_security = off; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres';
	set local timezone = 'UTC'; set local extra_float_digits = 3; set local bytea_output = 'hex'; set local xmlbinary = 'base64';
	set local lc_monetary = 'C'; set local quote_all_identifiers = off; set local statement_timeout = 0; set local jit = off`

// read takes one side's state in one snapshot. Schemas go from their name here to the legacy's.
func read(ctx context.Context, conn *pgx.Conn, role role, schemas map[string]string) (State, error) {
	if conn.PgConn().TxStatus() == 'I' {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return State{}, fmt.Errorf("begin to read: %w", err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	}
	if err := postgres.Script(ctx, conn, pinned); err != nil {
		return State{}, fmt.Errorf("pin the settings: %w", err)
	}
	r := reader{conn: conn, role: role, list: keys(schemas), state: State{facts: map[object]map[string]fact{}, rows: map[string]rows{}}}
	r.names = newNames(role, schemas)
	for _, step := range []func(context.Context) error{r.dictionary, r.facts, r.sequences, r.contents} {
		if err := step(ctx); err != nil {
			return State{}, err
		}
	}
	return r.state, nil
}

// reader gathers one side's state.
type reader struct {
	conn  *pgx.Conn
	role  role
	list  []string // the schemas' names here
	names *names
	state State
}

func keys(m map[string]string) []string {
	list := make([]string, 0, len(m))
	for key := range m {
		list = append(list, key)
	}
	return list
}

func query(name string) (string, error) {
	body, err := fs.ReadFile(queries, "sql/"+name+".sql")
	return string(body), err
}

// dictionary learns every name that a reference can mean.
func (r *reader) dictionary(ctx context.Context) error {
	text, err := query("dictionary")
	if err != nil {
		return err
	}
	var schema, name string
	var ofExtension bool
	err = postgres.Each(ctx, r.conn, text, []any{r.list}, []any{&schema, &name, &ofExtension}, func() error {
		r.names.add(schema, name, ofExtension)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list names: %w", err)
	}
	return nil
}

func (r *reader) facts(ctx context.Context) error {
	for _, name := range factQueries() {
		text, err := query(name)
		if err != nil {
			return err
		}
		if err := r.gather(ctx, text); err != nil {
			return fmt.Errorf("read %s facts: %w", name, err)
		}
	}
	return nil
}

func (r *reader) gather(ctx context.Context, query string) error {
	var kind, schema, name, property, how string
	var value *string
	return postgres.Each(ctx, r.conn, query, []any{r.list}, []any{&kind, &schema, &name, &property, &how, &value}, func() error {
		if value != nil {
			o := object{kind: kind, schema: r.names.schema(schema), name: r.names.rewrite(name, false, false)}
			r.note(o, property, form(how), *value)
		}
		return nil
	})
}

// note keeps a fact in the common form.
func (r *reader) note(o object, property string, form form, value string) {
	if r.state.facts[o] == nil {
		r.state.facts[o] = map[string]fact{}
	}
	r.state.facts[o][property] = fact{form: form, value: r.names.normalize(form, value)}
}

// sequences reads where each sequence stands: the catalog doesn't know.
func (r *reader) sequences(ctx context.Context) error {
	found, err := r.conn.Query(ctx, `select n.nspname::text, c.relname::text from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1) and c.relkind = 'S'`, r.list)
	if err != nil {
		return fmt.Errorf("list sequences: %w", err)
	}
	type sequence struct{ Schema, Name string }
	list, err := pgx.CollectRows(found, pgx.RowToStructByPos[sequence])
	if err != nil {
		return fmt.Errorf("list sequences: %w", err)
	}
	for _, s := range list {
		var quoted, position string
		err := r.conn.QueryRow(ctx, `select quote_ident($1), last_value || ' called ' || is_called from `+postgres.Ident(s.Schema, s.Name), s.Name).Scan(&quoted, &position)
		if err != nil {
			return fmt.Errorf("read sequence %s.%s: %w", s.Schema, s.Name, err)
		}
		r.note(object{kind: "sequence", schema: r.names.schema(s.Schema), name: quoted}, "position", plain, position)
	}
	return nil
}
