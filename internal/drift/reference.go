package drift

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
)

//go:embed sql/instance/*.sql
var instanceFiles embed.FS

// instanceSchema is the schema of tenantctl's own on each instance.
const instanceSchema = "tenantctl_instance"

// referenceFormat changes with what is read of a catalog, so that references of older releases are not used.
const referenceFormat = "1"

// cohort is where tenants stand that share a reference: versions by service.
type cohort map[string]uint64

func (c cohort) String() string {
	if len(c) == 0 {
		return "no versions"
	}
	parts := make([]string, 0, len(c))
	for _, service := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%s %d", service, c[service]))
	}
	return strings.Join(parts, ", ")
}

// reference is what a schema holds that was made by the files up to a cohort's versions.
type reference struct {
	name    string // of the schema that it was read from; stands in the facts of raw
	raw     catalog
	compare catalog // with own in place of name
}

func newReference(name string, raw catalog) *reference {
	r := &reference{name: name, raw: catalog{}, compare: catalog{}}
	for key, o := range raw {
		key.Name = hide(key.Name, name)
		r.raw[key] = o
		hidden := o
		hidden.Name, hidden.Facts = key.Name, make(map[string]string, len(o.Facts))
		for fact, text := range o.Facts {
			hidden.Facts[fact] = hide(text, name)
		}
		r.compare[key] = hidden
	}
	return r
}

// reference finds a cohort's, in memory, on the instance, or by making it.
func (c *Checker) reference(ctx context.Context, of cohort) (*reference, error) {
	key, err := c.referenceKey(of)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock() // one goroutine makes it, the others wait for that
	if r, ok := c.references[key]; ok {
		return r, nil
	}
	if len(of) == 0 { // nothing was applied: nothing should be there
		c.references[key] = newReference("", nil)
		return c.references[key], nil
	}
	r, err := c.readReference(ctx, key)
	if errors.Is(err, pgx.ErrNoRows) {
		r, err = c.makeReference(ctx, key, of)
	}
	if err != nil {
		return nil, fmt.Errorf("make a schema of %s to compare with: %w", of, err)
	}
	c.references[key] = r
	return r, nil
}

// referenceKey is a digest of all that a reference depends on.
func (c *Checker) referenceKey(of cohort) (string, error) {
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s %s\n", referenceFormat, c.server) // a hash takes every write
	for _, service := range slices.Sorted(maps.Keys(of)) {
		s := c.streams[service]
		if _, err := s.File(of[service]); err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(digest, "%q %q %q %d %s\n", service, c.home.Owner(service), s.Table(), of[service], s.Hash(of[service]))
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

func (c *Checker) readReference(ctx context.Context, key string) (*reference, error) {
	var name string
	var body []byte
	if err := c.pool.QueryRow(ctx, `select name, objects from tenantctl_instance.reference where key = $1`, key).Scan(&name, &body); err != nil {
		return nil, err
	}
	var objects []object
	if err := json.Unmarshal(body, &objects); err != nil {
		return nil, fmt.Errorf("decode what was kept: %w", err)
	}
	raw := make(catalog, len(objects))
	for _, o := range objects {
		raw[id{o.Kind, o.Name}] = o
	}
	return newReference(name, raw), nil
}

// makeReference reads a throw-away schema and keeps what it held. Of several processes the first one's is kept.
func (c *Checker) makeReference(ctx context.Context, key string, of cohort) (*reference, error) {
	var name string
	var raw catalog
	err := c.home.Throwaway(ctx, of, func(ctx context.Context, conn *pgx.Conn, schema string) error {
		found, err := readCatalogs(ctx, conn, []string{schema}, nil)
		name, raw = schema, found[schema]
		return err
	})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(slices.Collect(maps.Values(raw)))
	if err != nil {
		return nil, fmt.Errorf("encode it: %w", err)
	}
	_, err = c.pool.Exec(ctx, `insert into tenantctl_instance.reference (key, name, objects) values ($1, $2, $3) on conflict do nothing`, key, name, string(body))
	if err != nil {
		return nil, fmt.Errorf("keep it: %w", err)
	}
	return newReference(name, raw), nil
}

// prepare makes the table for references.
func prepare(ctx context.Context, pool *pgxpool.Pool) error {
	files, err := fs.Sub(instanceFiles, "sql/instance")
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return postgres.MigrateSchema(ctx, conn.Conn(), instanceSchema, files)
	})
}
