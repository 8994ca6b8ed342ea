package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"tenantctl/internal/local"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// localDatabase is the shared instance on the local stack's private PostgreSQL.
const localDatabase = "shared"

// servers opens what tenants.yaml names, and the local stack for what it doesn't.
type servers struct {
	factory *Factory

	mutex    sync.Mutex
	localDSN string // "" before the local stack is up
	registry *registry.Registry
}

// StackDir is the state folder of the local stack that belongs to tenants.yaml's folder, which need not be there yet.
func (f *Factory) StackDir() (string, error) {
	s, err := f.Settings()
	if err != nil {
		return "", err
	}
	project := filepath.Dir(s.File)
	if info, err := os.Stat(s.File); err == nil && info.IsDir() {
		project = s.File
	}
	if file, err := f.Config(); err == nil {
		project = file.Dir()
	}
	return local.DefaultDir(f.env, project)
}

// InstanceDSN is how tenantctl reaches a shared instance as its administrator.
func (f *Factory) InstanceDSN(ctx context.Context, name string) (string, error) {
	file, err := f.Config()
	if err != nil {
		return "", err
	}
	instance, err := file.Instance(name)
	if err != nil {
		return "", err
	}
	if instance.Local {
		return f.servers.local(ctx)
	}
	return f.resolve(instance.DSN)
}

// ControlDSN is how tenantctl reaches its own records.
func (f *Factory) ControlDSN(ctx context.Context) (string, error) {
	file, err := f.Config()
	if err != nil {
		return "", err
	}
	control := file.Control()
	if control.Local {
		return f.servers.local(ctx)
	}
	return f.resolve(control.DSN)
}

// local brings the local stack's PostgreSQL up and gives the connection string of the shared database in it.
func (s *servers) local(ctx context.Context) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.localDSN != "" {
		return s.localDSN, nil
	}
	dir, err := s.factory.StackDir()
	if err != nil {
		return "", err
	}
	running, err := runningPostgres(dir)
	if err != nil {
		return "", err
	}
	if !running {
		s.factory.Tell("starting a private PostgreSQL under %s (`tenantctl local down` removes it)", dir)
	}
	stack, err := local.Up(ctx, local.Options{Dir: dir})
	if err != nil {
		return "", err
	}
	if err := createDatabase(ctx, stack.Postgres.DSN("postgres"), localDatabase); err != nil {
		return "", err
	}
	s.localDSN = stack.Postgres.DSN(localDatabase)
	s.factory.keepSecret(s.localDSN)
	return s.localDSN, nil
}

func runningPostgres(dir string) (bool, error) {
	stack, err := local.Find(dir)
	if errors.Is(err, tenant.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return stack.Postgres != nil && stack.Postgres.PID() != 0, nil
}

// createDatabase makes a database that may be there already, also when several processes do it at once.
func createDatabase(ctx context.Context, dsn, name string) error {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "local"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&there); err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if there {
		return nil
	}
	_, err = conn.Exec(ctx, `create database `+postgres.Ident(name))
	if err != nil && postgres.Code(err) != duplicateDatabase && postgres.Classify(err) != postgres.Conflict {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

const duplicateDatabase = "42P04"

// Registry opens tenantctl's own records, making or upgrading their schema.
func (f *Factory) Registry(ctx context.Context) (*registry.Registry, error) {
	if _, err := f.Config(); err != nil {
		return nil, err
	}
	return f.servers.open(ctx, registry.Open)
}

// ExistingRegistry opens the records to read them. The error is registry.ErrNotSetUp where there are none yet, which includes
// a local stack that was never started: looking starts nothing.
func (f *Factory) ExistingRegistry(ctx context.Context) (*registry.Registry, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	if file.Control().Local {
		if there, err := f.stackThere(); err != nil || !there {
			return nil, errors.Join(err, tenant.WithHint(fmt.Errorf("there are no records yet: the local stack is %w", registry.ErrNotSetUp),
				"`tenantctl apply` or `tenantctl migrate` starts it at first use"))
		}
	}
	return f.servers.open(ctx, registry.OpenExisting)
}

func (f *Factory) stackThere() (bool, error) {
	dir, err := f.StackDir()
	if err != nil {
		return false, err
	}
	stack, err := local.Find(dir)
	if errors.Is(err, tenant.ErrNotFound) {
		return false, nil
	}
	return err == nil && stack.Postgres != nil, err
}

func (s *servers) open(ctx context.Context, open func(context.Context, string) (*registry.Registry, error)) (*registry.Registry, error) {
	dsn, err := s.factory.ControlDSN(ctx)
	if err != nil {
		return nil, fmt.Errorf("control database: %w", err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.registry != nil {
		return s.registry, nil
	}
	opened, err := open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	s.registry = opened
	s.factory.onClose(func(context.Context) { opened.Close() })
	return opened, nil
}

// LegacyDSN is how tenantctl reaches a tenant's legacy database as its owner.
func (f *Factory) LegacyDSN(name tenant.Name) (string, error) {
	file, err := f.Config()
	if err != nil {
		return "", err
	}
	secret, err := file.LegacyDSN(name)
	if err != nil {
		return "", err
	}
	return f.resolve(secret)
}
