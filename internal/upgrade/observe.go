package upgrade

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// standing is where tenants stand, by tenant and service.
type standing map[tenant.Name]map[string]stream.Stand

// observe reads where members stand in the target's streams, and refuses where a stream's files aren't those that tenants were
// made from: instance by instance, a few queries for each 500 tenants.
func (u *Upgrader) observe(ctx context.Context, members []Member) (standing, error) {
	found := standing{}
	var mutex sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for instance, here := range byInstance(members) {
		group.Go(func() error {
			stands, err := u.observeInstance(ctx, instance, here)
			mutex.Lock()
			defer mutex.Unlock()
			for name, byService := range stands {
				found[name] = byService
			}
			return err
		})
	}
	return found, group.Wait()
}

func byInstance(members []Member) map[string][]Member {
	grouped := map[string][]Member{}
	for _, m := range members {
		grouped[m.Instance] = append(grouped[m.Instance], m)
	}
	return grouped
}

func (u *Upgrader) observeInstance(ctx context.Context, name string, members []Member) (standing, error) {
	instance, err := u.Instance(ctx, name)
	if err != nil {
		return nil, err
	}
	conn, err := observer(ctx, instance.DSN)
	if err != nil {
		return nil, fmt.Errorf("instance %q: %w", name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	found := standing{}
	for _, target := range u.Targets {
		s := u.streams[target.Service]
		schemas := map[string]tenant.Name{}
		for _, m := range members {
			if slices.Contains(m.Services, target.Service) {
				schemas[m.Schema] = m.Tenant
			}
		}
		stands, err := readStands(ctx, instance.DSN, s, keys(schemas))
		if err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
		if err := checkFiles(ctx, conn, s, stands); err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
		for schema, stand := range stands {
			name := schemas[schema]
			if found[name] == nil {
				found[name] = map[string]stream.Stand{}
			}
			found[name][target.Service] = stand
		}
	}
	return found, nil
}

func observer(ctx context.Context, dsn string) (*pgx.Conn, error) {
	return postgres.Connect(ctx, dsn, postgres.Options{Application: "upgrade", Settings: map[string]string{"jit": "off"}})
}

const (
	observers      = 4   // sessions that read an instance's versions at once
	schemasPerSeat = 500 // that are worth a session of their own
)

// readStands reads in several sessions: what takes the time is that each session has to learn of every table that it reads.
func readStands(ctx context.Context, dsn string, s *stream.Stream, schemas []string) (map[string]stream.Stand, error) {
	all := make(map[string]stream.Stand, len(schemas))
	var mutex sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for part := range slices.Chunk(schemas, max(schemasPerSeat, (len(schemas)+observers-1)/observers)) {
		group.Go(func() error {
			conn, err := observer(ctx, dsn)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			stands, err := stream.Stands(ctx, conn, s, part)
			mutex.Lock()
			defer mutex.Unlock()
			maps.Copy(all, stands)
			return err
		})
	}
	return all, group.Wait()
}

func keys(m map[string]tenant.Name) []string {
	all := make([]string, 0, len(m))
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

// checkFiles refuses files that were edited, removed or inserted since tenants were made from them. Each kind of difference is
// told once.
func checkFiles(ctx context.Context, db postgres.Querier, s *stream.Stream, stands map[string]stream.Stand) error {
	tenants, records := map[string][]string{}, map[string]stream.Record{}
	for schema, stand := range stands {
		if !s.Same(stand) {
			history := stand.Recorded.History
			tenants[history] = append(tenants[history], schema)
			records[history] = *stand.Recorded
		}
	}
	var errs []error
	for history, schemas := range tenants {
		differences, err := s.Differences(ctx, db, records[history])
		if err != nil {
			return err
		}
		lines := make([]string, len(differences))
		for i, d := range differences {
			lines[i] = d.String()
		}
		slices.Sort(schemas)
		errs = append(errs, fmt.Errorf("%s: the files aren't those that %s made from: %s", s.Service, subject(schemas), strings.Join(lines, "; ")))
	}
	if len(errs) == 0 {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("%w: %w", errors.Join(errs...), tenant.ErrConflict),
		fmt.Sprintf("put the files back as they were; or, if the change is meant, `tenantctl adopt NAME --service %s` takes them as they are now", s.Service))
}

// subject is "schema a was" or "12 schemas (a, b, c …) were".
func subject(schemas []string) string {
	const named = 3
	if len(schemas) == 1 {
		return "schema " + schemas[0] + " was"
	}
	list := strings.Join(schemas[:min(len(schemas), named)], ", ")
	if len(schemas) > named {
		list += " …"
	}
	return fmt.Sprintf("%d schemas (%s) were", len(schemas), list)
}
