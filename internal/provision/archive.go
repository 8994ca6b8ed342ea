package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Manifest describes an archive. It stands beside the dump, under the same name with .json.
type Manifest struct {
	Version    int                       `json:"version"` // of this format: 1
	Tenant     tenant.Name               `json:"tenant"`
	Instance   string                    `json:"instance"`
	Schemas    []string                  `json:"schemas"`
	Created    time.Time                 `json:"created"`
	Server     string                    `json:"server"` // version of the server
	File       string                    `json:"file"`   // of the dump: pg_dump's custom format
	Bytes      int64                     `json:"bytes"`
	SHA256     string                    `json:"sha256"`
	Versions   map[string]tenant.Version `json:"versions,omitempty"`
	Extensions []string                  `json:"extensions,omitempty"` // of the instance; those in use must be where it is restored
	Tables     []ArchivedTable           `json:"tables"`
	Restore    string                    `json:"restore"` // the command that brings it back
}

// ArchivedTable is a table and how many rows of it the dump holds.
type ArchivedTable struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
}

// Archive dumps a tenant's schemas as they are now, with a manifest that lets anybody check and restore the dump without
// tenantctl. Nothing is changed on the instance. Large objects belong to no schema and are not in it.
func (p *Provisioner) Archive(ctx context.Context, spec tenant.Spec) (Manifest, error) {
	observed, err := p.observe(ctx, []tenant.Spec{spec})
	if err != nil {
		return Manifest{}, err
	}
	own := tenancy{spec: spec, mark: p.names.markOf(string(spec.Name))}
	if err := p.refuseForeignSchema(observed, own); err != nil {
		return Manifest{}, err
	}
	return p.archive(ctx, spec, slices.Sorted(maps.Keys(observed.of(own, nil).schemas)))
}

func (p *Provisioner) archive(ctx context.Context, spec tenant.Spec, schemas []string) (Manifest, error) {
	m := Manifest{Version: 1, Tenant: spec.Name, Instance: p.Instance, Schemas: schemas, Created: time.Now().UTC()}
	m.File = filepath.Join(p.ArchiveDir, fmt.Sprintf("%s-%s.dump", spec.Name, m.Created.Format("20060102T150405.000Z")))
	m.Restore = "pg_restore --no-owner --no-acl --exit-on-error --dbname=DATABASE " + filepath.Base(m.File)
	tools, err := p.tools()
	if err != nil {
		return Manifest{}, err
	}
	if err := os.MkdirAll(p.ArchiveDir, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("archive %s: %w", spec.Name, err)
	}
	if err := p.dump(ctx, tools, &m); err != nil {
		return Manifest{}, errors.Join(fmt.Errorf("archive %s: %w", spec.Name, err), removeIfThere(m.File))
	}
	if err := m.seal(ctx, tools); err != nil {
		return Manifest{}, fmt.Errorf("archive %s: %w", spec.Name, err)
	}
	return m, p.note(ctx, tenant.Event{Type: "tenant.archived", Tenant: spec.Name, Message: "archived to " + m.File})
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// dump dumps and counts in one snapshot, so that the manifest tells what the dump holds while others write.
func (p *Provisioner) dump(ctx context.Context, tools postgres.Tools, m *Manifest) error {
	tx, err := p.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var snapshot string
	err = tx.QueryRow(ctx, `select pg_export_snapshot(), current_setting('server_version'),
		(select coalesce(array_agg(extname || ' ' || extversion order by extname), '{}') from pg_extension where extname <> 'plpgsql')`).
		Scan(&snapshot, &m.Server, &m.Extensions)
	if err != nil {
		return fmt.Errorf("export snapshot: %w", err)
	}
	if err := m.count(ctx, tx); err != nil {
		return err
	}
	versions, err := stream.Versions(ctx, tx, m.Schemas, p.Streams)
	if err != nil {
		return err
	}
	m.Versions = map[string]tenant.Version{}
	for _, schema := range m.Schemas {
		maps.Copy(m.Versions, versions[schema])
	}
	args := []string{"--format=custom", "--no-acl", "--snapshot=" + snapshot, "--role=" + p.names.admin(), "--file=" + m.File}
	for _, schema := range m.Schemas {
		args = append(args, "--schema="+pattern(schema))
	}
	_, err = tools.Run(ctx, "pg_dump", p.DSN, args...)
	return err
}

// pattern quotes a name for pg_dump's --schema, in which * and ? are wildcards and what isn't quoted is folded.
func pattern(name string) string { return postgres.Ident(name) }

// count counts the rows of every table that has rows of its own.
func (m *Manifest) count(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `select n.nspname::text as schema, c.relname::text as name, 0::bigint as rows from pg_class c
		join pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1) and c.relkind = 'r' order by 1, 2`, m.Schemas)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	if m.Tables, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ArchivedTable]); err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	for i := range m.Tables {
		table := &m.Tables[i]
		if err := tx.QueryRow(ctx, `select count(*) from only `+postgres.Ident(table.Schema, table.Name)).Scan(&table.Rows); err != nil {
			return fmt.Errorf("count rows of %s.%s: %w", table.Schema, table.Name, err)
		}
	}
	return nil
}

// seal checks that the dump is readable, sums it, and writes the manifest: where there is one, the dump is whole.
func (m *Manifest) seal(ctx context.Context, tools postgres.Tools) error {
	contents, err := tools.Run(ctx, "pg_restore", "", "--list", m.File)
	if err != nil {
		return err
	}
	if held := strings.Count(string(contents), " TABLE DATA "); held < len(m.Tables) {
		return fmt.Errorf("the dump holds the rows of %d tables, there are %d", held, len(m.Tables))
	}
	file, err := os.Open(m.File)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := file.Chmod(0o600); err != nil {
		return fmt.Errorf("keep private: %w", err)
	}
	digest := sha256.New()
	if m.Bytes, err = io.Copy(digest, file); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	m.SHA256 = hex.EncodeToString(digest.Sum(nil))
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := os.WriteFile(strings.TrimSuffix(m.File, ".dump")+".json", append(body, '\n'), 0o600); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}
