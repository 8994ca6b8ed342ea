package drift

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Home knows whose things are on an instance, and keeps what isn't in a catalog of objects: roles, privileges, memberships. What
// provisions the tenants implements it.
type Home interface {
	// Owner is the role that owns what a service's stream makes.
	Owner(service string) string
	// Lifted is the role that owns what was lifted into a tenant's schema.
	Lifted(name tenant.Name) string
	// Throwaway makes a schema from the services' files up to versions, lends it, and drops it.
	Throwaway(ctx context.Context, versions map[string]uint64, use func(ctx context.Context, conn *pgx.Conn, schema string) error) error
	// Access is what has to be done for tenants' roles and privileges to be as declared. A tenant whose aren't looked at has an
	// error of its own.
	Access(ctx context.Context, specs []tenant.Spec) (map[tenant.Name]AccessSeen, error)
	// Restore does it.
	Restore(ctx context.Context, spec tenant.Spec) error
}

// AccessSeen is what Home.Access found of a tenant.
type AccessSeen struct {
	Steps []AccessStep
	Err   error
}

// AccessStep is a piece of what has to be done.
type AccessStep struct {
	Describe string
	SQL      string
}

// Options say on which instance, and with what.
type Options struct {
	DSN      string // an administrator's
	Streams  []*stream.Stream
	Home     Home
	Parallel int // connections that read at once; 0 means 2
}

// Checker compares the tenants of one instance. It may be used by several goroutines.
type Checker struct {
	pool    *pgxpool.Pool
	home    Home
	streams map[string]*stream.Stream
	order   []*stream.Stream
	server  string // its version
	reading int

	mu         sync.Mutex
	references map[string]*reference // by key
	files      map[string][]stream.Difference
}

const defaultReading = 2

// Finding is what was found of one tenant.
type Finding struct {
	Tenant tenant.Name `json:"tenant"`
	// Cohort is where it stands: the versions that it was compared with.
	Cohort      string       `json:"cohort,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
	// Foreign lists what is in its schema and belongs to nobody of ours. It is never touched.
	Foreign []string `json:"foreign,omitempty"`
	// Err is why it couldn't be compared.
	Err error `json:"-"`

	spec tenant.Spec
	at   cohort
	with *reference
}

// Open connects to an instance. References are kept there.
func Open(ctx context.Context, opts Options) (*Checker, error) {
	reading := cmp.Or(opts.Parallel, defaultReading)
	pool, err := postgres.Open(ctx, opts.DSN, postgres.Options{
		Application: "drift", MaxConns: int32(reading) + 1, //nolint:gosec // a small number
		Settings: map[string]string{"search_path": "", "jit": "off"},
	})
	if err != nil {
		return nil, err
	}
	c := &Checker{
		pool: pool, home: opts.Home, streams: map[string]*stream.Stream{}, order: opts.Streams, reading: reading,
		references: map[string]*reference{}, files: map[string][]stream.Difference{},
	}
	for _, s := range opts.Streams {
		c.streams[s.Service] = s
	}
	err = prepare(ctx, pool)
	if err == nil {
		err = pool.QueryRow(ctx, `select current_setting('server_version_num')`).Scan(&c.server)
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("prepare to look for drift: %w", err)
	}
	return c, nil
}

// Close closes the connections.
func (c *Checker) Close() { c.pool.Close() }

// Check compares tenants. The findings come in the order of the specs; a tenant that couldn't be compared has its error, and the
// others are compared all the same.
func (c *Checker) Check(ctx context.Context, specs []tenant.Spec) ([]Finding, error) {
	findings, err := c.stand(ctx, specs)
	if err != nil {
		return nil, err
	}
	c.findReferences(ctx, findings)
	var group errgroup.Group
	group.SetLimit(c.reading)
	for batch := range slices.Chunk(findings, perRead) {
		group.Go(func() error {
			c.compareBatch(ctx, batch)
			return nil
		})
	}
	_ = group.Wait() // errors are in the findings
	if err := c.lookAgain(ctx, findings); err != nil {
		return nil, err
	}
	if err := c.checkAccess(ctx, findings); err != nil {
		return nil, err
	}
	for i := range findings {
		slices.SortFunc(findings[i].Differences, Difference.compare)
	}
	return findings, ctx.Err()
}

// stand reads where tenants stand, and finds what differs by that alone.
func (c *Checker) stand(ctx context.Context, specs []tenant.Spec) ([]Finding, error) {
	schemas := make([]string, len(specs))
	for i, spec := range specs {
		schemas[i] = spec.Schema
	}
	there, err := c.schemasThere(ctx, schemas)
	if err != nil {
		return nil, err
	}
	findings := make([]Finding, len(specs))
	for i, spec := range specs {
		findings[i] = Finding{Tenant: spec.Name, spec: spec, at: cohort{}}
		if !there[spec.Schema] {
			findings[i].Differences = []Difference{{Kind: KindSchema, Name: own, What: Missing}}
		}
	}
	for _, s := range c.order {
		stands, err := stream.Stands(ctx, c.pool, s, schemas)
		if err != nil {
			return nil, err
		}
		for i := range findings {
			if f := &findings[i]; there[f.spec.Schema] {
				c.standOf(ctx, f, s, stands[f.spec.Schema])
			}
		}
	}
	for i := range findings {
		findings[i].Cohort = findings[i].at.String()
	}
	return findings, nil
}

// standOf notes where a tenant stands in a stream.
func (c *Checker) standOf(ctx context.Context, f *Finding, s *stream.Stream, at stream.Stand) {
	switch {
	case at.Version == nil && slices.Contains(f.spec.Services, s.Service):
		f.Differences = append(f.Differences, Difference{Kind: KindService, Name: s.Service, What: Missing, Service: s.Service})
		return
	case at.Version == nil:
		return
	case at.Version.Dirty:
		f.Differences = append(f.Differences, Difference{
			Kind: KindVersion, Name: s.Service, What: Changed, Service: s.Service, Fact: "dirty", Have: strconv.FormatUint(at.Version.Number, 10),
		})
	}
	f.at[s.Service] = at.Version.Number
	if s.Same(at) {
		return
	}
	edited, err := c.editedFiles(ctx, s, *at.Recorded)
	if err != nil {
		f.Err = fmt.Errorf("%s: %w", f.Tenant, err)
		return
	}
	for _, file := range edited {
		f.Differences = append(f.Differences, Difference{
			Kind: KindFile, Name: strconv.FormatUint(file.Version, 10), What: Changed, Service: s.Service, Have: file.String(),
		})
	}
}

// editedFiles asks once for each history that tenants were made from.
func (c *Checker) editedFiles(ctx context.Context, s *stream.Stream, recorded stream.Record) ([]stream.Difference, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprintf("%s %d", recorded.History, recorded.Version)
	if known, ok := c.files[key]; ok {
		return known, nil
	}
	edited, err := s.Differences(ctx, c.pool, recorded)
	if err == nil {
		c.files[key] = edited
	}
	return edited, err
}

func (c *Checker) schemasThere(ctx context.Context, schemas []string) (map[string]bool, error) {
	rows, err := c.pool.Query(ctx, `select nspname::text from pg_namespace where nspname = any($1)`, schemas)
	if err != nil {
		return nil, fmt.Errorf("find schemas: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("find schemas: %w", err)
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	return there, nil
}

// findReferences makes or finds every cohort's. Tenants whose cohort can't have one get the reason.
func (c *Checker) findReferences(ctx context.Context, findings []Finding) {
	failed := map[string]error{} // a cohort's files are not tried for each of its tenants
	for i := range findings {
		f := &findings[i]
		if f.Err != nil || f.absent() {
			continue
		}
		err := failed[f.Cohort]
		if err == nil {
			f.with, err = c.reference(ctx, f.at)
			failed[f.Cohort] = err
		}
		if err != nil {
			f.Err = fmt.Errorf("%s: %w", f.Tenant, err)
		}
	}
}

func (f *Finding) absent() bool {
	return slices.ContainsFunc(f.Differences, func(d Difference) bool { return d.Kind == KindSchema })
}

// compareBatch reads and compares some tenants. Where reading fails they are read one by one, since one may be in the way of all.
func (c *Checker) compareBatch(ctx context.Context, batch []Finding) {
	var schemas []string
	for _, f := range batch {
		if f.Err == nil && !f.absent() {
			schemas = append(schemas, f.spec.Schema)
		}
	}
	if len(schemas) == 0 {
		return
	}
	found, err := readCatalogs(ctx, c.pool, schemas, nil)
	if err != nil && len(batch) > 1 && ctx.Err() == nil {
		for i := range batch {
			c.compareBatch(ctx, batch[i:i+1])
		}
		return
	}
	for i := range batch {
		f := &batch[i]
		switch {
		case f.Err != nil || f.absent():
		case err != nil:
			f.Err = fmt.Errorf("%s: %w", f.Tenant, err)
		default:
			c.compareOne(f, found[f.spec.Schema])
		}
	}
}

// lookAgain compares those again that another process brought to other versions between the look at these and the look at the
// catalog.
func (c *Checker) lookAgain(ctx context.Context, findings []Finding) error {
	var suspects []int
	var specs []tenant.Spec
	for i, f := range findings {
		if f.Err == nil && len(f.Differences) > 0 && !f.absent() {
			suspects, specs = append(suspects, i), append(specs, f.spec)
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	now, err := c.stand(ctx, specs)
	if err != nil {
		return err
	}
	c.findReferences(ctx, now)
	for n, i := range suspects {
		if now[n].Cohort != findings[i].Cohort {
			c.compareBatch(ctx, now[n:n+1])
			findings[i] = now[n]
		}
	}
	return nil
}

func (c *Checker) compareOne(f *Finding, have catalog) {
	whose := owners{services: make(map[string]string, len(c.order)), lifted: c.home.Lifted(f.Tenant)}
	for _, s := range c.order {
		whose.services[c.home.Owner(s.Service)] = s.Service
	}
	differences, foreign := f.with.diff(f.spec.Schema, have, whose)
	f.Differences = append(f.Differences, differences...)
	f.Foreign = foreign
}

// checkAccess adds what isn't right about roles and privileges.
func (c *Checker) checkAccess(ctx context.Context, findings []Finding) error {
	var specs []tenant.Spec
	for _, f := range findings {
		if f.Err == nil && !f.absent() {
			specs = append(specs, f.spec)
		}
	}
	if len(specs) == 0 {
		return nil
	}
	seen, err := c.home.Access(ctx, specs)
	if err != nil {
		return fmt.Errorf("compare roles and privileges: %w", err)
	}
	for i := range findings {
		f := &findings[i]
		access := seen[f.Tenant]
		f.Err = errors.Join(f.Err, access.Err)
		for _, step := range access.Steps {
			f.Differences = append(f.Differences, Difference{
				Kind: KindAccess, Name: c.anonymous(step.Describe, f.spec), What: Changed, Want: c.anonymous(step.SQL, f.spec),
			})
		}
	}
	return nil
}

// anonymous puts what a tenant's own names stand for in their place, so that tenants with the same fault are alike.
func (c *Checker) anonymous(text string, of tenant.Spec) string {
	roles := strings.TrimSuffix(c.home.Lifted(of.Name), "owner")
	return hide(strings.NewReplacer(roles, "{tenant}__", ":"+string(of.Name)+"'", ":{tenant}'").Replace(text), of.Schema)
}
