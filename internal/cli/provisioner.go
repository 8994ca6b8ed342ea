package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"tenantctl/internal/config"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// provisionerOptions are what a command may say of how an instance is worked on.
type provisionerOptions struct {
	Parallel   int    // tenants at once; 0: provision's default
	ArchiveDir string // "": beside tenants.yaml
}

// Provisioner opens an instance, with all that tenants.yaml says of it. Records is nil where there are none yet.
func (f *Factory) Provisioner(ctx context.Context, name string, records *registry.Registry, more provisionerOptions) (*provision.Provisioner, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	instance, err := file.Instance(name)
	if err != nil {
		return nil, err
	}
	dsn, err := f.InstanceDSN(ctx, name)
	if err != nil {
		return nil, err
	}
	opts := provision.Options{
		Instance: name, DSN: dsn, RolePrefix: instance.RolePrefix, Versions: map[string]uint64{},
		TenantsPerCell: instance.TenantsPerCell, CredentialsDir: instance.CredentialsDir,
		ArchiveDir: first(more.ArchiveDir, filepath.Join(file.Dir(), ".tenantctl", "archives")),
		Parallel:   more.Parallel, Actor: f.actor(), Log: f.quietLog(),
	}
	if opts.Streams, err = readStreams(file, opts.Versions); err != nil {
		return nil, err
	}
	opts.Control = "CONTROL" // stands for the id of records that aren't there yet, in plans
	if records != nil {
		opts.Records = records
		if err := versionsForNew(ctx, records, opts.Versions); err != nil {
			return nil, err
		}
		if opts.Control, err = controlID(ctx, records); err != nil {
			return nil, err
		}
	}
	p, err := provision.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	f.onClose(func(context.Context) { p.Close() })
	return p, nil
}

// quietLog is for rooms that log retries: those are no news to a person who waits, unless asked for.
func (f *Factory) quietLog() *slog.Logger {
	if s, _ := f.Settings(); s.Level <= slog.LevelDebug {
		return f.Log()
	}
	return slog.New(slog.DiscardHandler)
}

// readStreams reads every service's migrations; pins are noted in versions.
func readStreams(file *config.File, versions map[string]uint64) ([]*stream.Stream, error) {
	var streams []*stream.Stream
	for _, declared := range file.Streams() {
		s, err := readStream(declared)
		if err != nil {
			return nil, err
		}
		streams = append(streams, s)
		if declared.Pin > 0 {
			versions[declared.Name] = declared.Pin
		}
	}
	return streams, nil
}

// versionsForNew adds the versions that new tenants get where no pin says otherwise: those that the fleet has by its last rollout,
// not files that nobody rolled out yet.
func versionsForNew(ctx context.Context, records *registry.Registry, versions map[string]uint64) error {
	store, err := upgrade.ReadStore(ctx, records.Pool())
	if errors.Is(err, tenant.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	rolledOut, err := store.VersionsForNew(ctx)
	if err != nil {
		return err
	}
	for service, version := range rolledOut {
		if versions[service] == 0 {
			versions[service] = version
		}
	}
	return nil
}

const idBytes = 5

// controlID tells one control database from another in the marks of what is made for its tenants. The moment at which its
// first file was applied is unique, and stays with the records when they are restored elsewhere.
func controlID(ctx context.Context, records *registry.Registry) (string, error) {
	var moment string
	err := records.Pool().QueryRow(ctx, `select extract(epoch from min(applied_at))::text from tenantctl.schema_file`).Scan(&moment)
	if err != nil {
		return "", fmt.Errorf("identify the control database: %w", err)
	}
	sum := sha256.Sum256([]byte(moment))
	return hex.EncodeToString(sum[:idBytes]), nil
}

// homesOf opens provisioners for a comparison.
func (f *Factory) homesOf(records *registry.Registry) reconcile.Homes {
	return func(ctx context.Context, instance string) (*provision.Provisioner, error) {
		return f.Provisioner(ctx, instance, records, provisionerOptions{})
	}
}

// lease takes the right to work on a tenant for as long as do runs.
func withLease(ctx context.Context, records *registry.Registry, name tenant.Name, do func(context.Context) error) error {
	lease, err := records.Acquire(ctx, registry.LeaseName(name), registry.ThisProcess())
	if err != nil {
		return fmt.Errorf("tenant %s: %w", name, err)
	}
	defer func() { _ = lease.Release(ctx) }() // its session ends with the process
	ctx, cancel := lease.Context(ctx)
	defer cancel()
	return do(ctx)
}

// declaredOnly refuses tenants of which tenants.yaml says nothing.
func declaredOnly(fleet []reconcile.Tenant) error {
	var missing []string
	for _, t := range fleet {
		if !t.Declared {
			missing = append(missing, string(t.Name))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("not declared in tenants.yaml: %s: %w", strings.Join(missing, ", "), tenant.ErrNotFound),
		"add them under tenants:, or remove them for good with `tenantctl delete`")
}
