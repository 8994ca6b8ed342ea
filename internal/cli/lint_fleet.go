package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/lint"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// lintFleet is what lint asks the instances: where tenants stand, and how large their tables are.
type lintFleet struct {
	instances []lintInstance
}

type lintInstance struct {
	name    string
	conn    *pgx.Conn
	schemas map[string]tenant.Name
	users   map[string][]string // schemas that have a service
}

// lintFleet connects to one instance, or to all that have tenants. Nothing is started for it.
func (f *Factory) lintFleet(ctx context.Context, only string) (*lintFleet, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	if only != "" && only != allInstances {
		if _, err := file.Instance(only); err != nil {
			return nil, err
		}
	}
	byName := map[string]*lintInstance{}
	var order []string
	for _, name := range file.Tenants() {
		spec, err := file.Tenant(name)
		if err != nil {
			return nil, err
		}
		if only != "" && only != allInstances && spec.Instance != only {
			continue
		}
		in := byName[spec.Instance]
		if in == nil {
			in = &lintInstance{name: spec.Instance, schemas: map[string]tenant.Name{}, users: map[string][]string{}}
			byName[spec.Instance], order = in, append(order, spec.Instance)
		}
		in.schemas[spec.Schema] = name
		for _, service := range spec.Services {
			in.users[service] = append(in.users[service], spec.Schema)
		}
	}
	fleet := &lintFleet{}
	for _, name := range order {
		if byName[name].conn, err = f.lintConnect(ctx, name); err != nil {
			return nil, fmt.Errorf("instance %s: %w", name, err)
		}
		fleet.instances = append(fleet.instances, *byName[name])
	}
	return fleet, nil
}

func (f *Factory) lintConnect(ctx context.Context, name string) (*pgx.Conn, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	instance, err := file.Instance(name)
	if err != nil {
		return nil, err
	}
	if instance.Local {
		there, err := f.stackThere()
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, tenant.WithHint(fmt.Errorf("the local stack was never started: %w", tenant.ErrNotFound), "lint without --database and --pending, or `tenantctl apply` first")
		}
	}
	dsn, err := f.InstanceDSN(ctx, name)
	if err != nil {
		return nil, err
	}
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "lint", StatementTimeout: askTimeout})
	if err != nil {
		return nil, err
	}
	f.onClose(func(ctx context.Context) { _ = conn.Close(ctx) })
	return conn, nil
}

// stand finds the files that a tenant had with other text and, where only pending files are asked for, what every tenant has.
func (l *lintFleet) stand(ctx context.Context, inputs []lint.Input, pending bool) error {
	for i := range inputs {
		in := &inputs[i]
		if in.Stream == nil || in.Stream.Scope == stream.PerInstance {
			continue
		}
		in.Edited = map[uint64]string{}
		least, some := uint64(0), false
		for _, instance := range l.instances {
			stands, err := stream.Stands(ctx, instance.conn, in.Stream, instance.users[in.Service])
			if err != nil {
				return fmt.Errorf("instance %s: %w", instance.name, err)
			}
			for _, stand := range stands {
				if !stand.Table {
					continue // will be made from a template, without locks or rows
				}
				version := uint64(0)
				if stand.Version != nil {
					version = stand.Version.Number
				}
				if !some || version < least {
					least, some = version, true
				}
			}
			if err := instance.edited(ctx, in, stands); err != nil {
				return fmt.Errorf("instance %s: %w", instance.name, err)
			}
		}
		if pending {
			in.Since = least
		}
	}
	return nil
}

// edited asks once for each history that differs what was edited.
func (l *lintInstance) edited(ctx context.Context, in *lint.Input, stands map[string]stream.Stand) error {
	var asked []string
	for schema, stand := range stands {
		if stand.Recorded == nil || in.Stream.Same(stand) || slices.Contains(asked, stand.Recorded.History) {
			continue
		}
		asked = append(asked, stand.Recorded.History)
		differences, err := in.Stream.Differences(ctx, l.conn, *stand.Recorded)
		if err != nil {
			return err
		}
		for _, d := range differences {
			in.Edited[d.Version] = fmt.Sprintf("tenant %s: %s", l.schemas[schema], d)
		}
	}
	return nil
}

// weigh reads the sizes of the tables that findings are about.
func (l *lintFleet) weigh(ctx context.Context, found *lint.Report) error {
	tables := found.Tables()
	if len(tables) == 0 {
		return nil
	}
	var sizes map[string]lint.Size
	for _, instance := range l.instances {
		here, err := lint.Sizes(ctx, instance.conn, instance.schemas, tables)
		if err != nil {
			return fmt.Errorf("instance %s: %w", instance.name, err)
		}
		sizes = lint.Larger(sizes, here)
	}
	found.Weigh(sizes)
	return nil
}
