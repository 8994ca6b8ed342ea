package provision

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

// Options say on which instance, with what, and for whom.
type Options struct {
	// Instance is its name in tenants.yaml; DSN is an administrator's: a superuser, or CREATEROLE, CREATEDB and owner of the
	// database.
	Instance, DSN string
	// RolePrefix begins every role's name. Roles are the whole server's: two instances on one server need two prefixes.
	RolePrefix string
	// Control identifies the control database in the marks of what we make.
	Control string
	// Streams are the services' migrations in dependency order. Those of scope instance are made once, by Prepare; afterwards the
	// Provisioner's Streams are the others: all that a tenant may have.
	Streams []*stream.Stream
	// Versions are the versions that new tenants get, by service; one that isn't there gets the newest.
	Versions map[string]uint64
	// TenantsPerCell bounds the tenants that share the services' logins; 0 means 500.
	TenantsPerCell int
	// CredentialsDir keeps the passwords of the logins, ArchiveDir the archives.
	CredentialsDir, ArchiveDir string
	Records                    Records
	// Parallel is how many tenants are worked on at once; 0 means 4.
	Parallel int
	// Actor is who asks, for the records.
	Actor string
	Log   *slog.Logger
}

const (
	defaultPerCell  = 500
	defaultParallel = 4
)

// Provisioner provisions the tenants of one instance. It may be used by several goroutines.
type Provisioner struct {
	Options
	names   names
	pool    *pgxpool.Pool
	streams map[string]*stream.Stream
	shared  []*stream.Stream // of scope instance
	major   int              // of the server

	mu        sync.Mutex
	prepared  bool
	logins    map[string]bool              // made sure of, by role
	templates map[string]*compiled         // by key
	made      map[string]map[string]string // objects and their owners, by the versions of files that make them
}

// Open connects to an instance. It changes nothing there.
func Open(ctx context.Context, opts Options) (*Provisioner, error) {
	if opts.TenantsPerCell == 0 {
		opts.TenantsPerCell = defaultPerCell
	}
	if opts.Parallel == 0 {
		opts.Parallel = defaultParallel
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	p := &Provisioner{
		Options: opts, names: names{prefix: opts.RolePrefix, control: opts.Control},
		streams: map[string]*stream.Stream{}, logins: map[string]bool{}, templates: map[string]*compiled{},
	}
	var services []string
	p.Streams = nil
	for _, s := range opts.Streams {
		services = append(services, s.Service)
		if s.Scope == stream.PerInstance {
			p.shared = append(p.shared, s)
			continue
		}
		p.Streams = append(p.Streams, s)
		p.streams[s.Service] = s
	}
	if err := p.names.check(services); err != nil {
		return nil, err
	}
	return p, p.connect(ctx)
}

func (p *Provisioner) connect(ctx context.Context) error {
	pool, err := postgres.Open(ctx, p.DSN, postgres.Options{
		Application: "provision", MaxConns: int32(p.Parallel) + 1, //nolint:gosec // a small number
		// So that names from the catalog come back qualified; compiling a catalog query takes longer than the query.
		Settings: map[string]string{"search_path": "", "jit": "off"},
	})
	if err != nil {
		return fmt.Errorf("instance %q: %w", p.Instance, err)
	}
	if err := pool.QueryRow(ctx, `select current_setting('server_version_num')::int / 10000`).Scan(&p.major); err != nil {
		pool.Close()
		return fmt.Errorf("ask instance %q for its version: %w", p.Instance, err)
	}
	p.pool = pool
	return nil
}

// Close closes the connections.
func (p *Provisioner) Close() { p.pool.Close() }

// version is what a new tenant gets of a service.
func (p *Provisioner) version(s *stream.Stream) uint64 {
	if version, ok := p.Versions[s.Service]; ok && version > 0 {
		return version
	}
	return s.Newest()
}
