package upgrade

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// checkServed refuses to bring tenants to versions that a running service says it can't work with: their users would meet its
// errors. versions are by stream. Services that don't run have nothing to say.
func (u *Upgrader) checkServed(ctx context.Context, versions map[string][]uint64) error {
	running, err := u.Registry.Running(ctx)
	if err != nil {
		return err
	}
	var cant []string
	for _, s := range running {
		for stream, serves := range s.Serves {
			for _, version := range versions[stream] {
				if version < serves.From || version > serves.To {
					cant = append(cant, unserved(s, stream, version, callers(running, s.Service)))
				}
			}
		}
	}
	if len(cant) == 0 {
		return nil
	}
	slices.Sort(cant)
	return tenant.WithHint(fmt.Errorf("%s: %w", strings.Join(slices.Compact(cant), "; "), tenant.ErrConflict),
		"run builds that serve the version, and end those that don't (`tenantctl services`), or bring the tenants to another version: --service NAME --to VERSION")
}

// unserved says who can't serve what, and whose calls would fail with it.
func unserved(s registry.RunningService, stream string, version uint64, callers []string) string {
	text := fmt.Sprintf("service %s at %s (build %s) serves %s, not %d", s.Service, s.URL, s.Build, s.ServesText(), version)
	if stream != s.Service {
		text += " of " + stream
	}
	if len(callers) > 0 {
		text += ", and is called by " + strings.Join(callers, ", ")
	}
	return text
}

func callers(running []registry.RunningService, name string) []string {
	var list []string
	for _, s := range running {
		if slices.Contains(s.Calls, name) && !slices.Contains(list, s.Service) {
			list = append(list, s.Service)
		}
	}
	slices.Sort(list)
	return list
}

// aims are the versions that a rollout brings tenants to.
func aims(targets []Target) map[string][]uint64 {
	versions := map[string][]uint64{}
	for _, t := range targets {
		versions[t.Service] = append(versions[t.Service], t.Version)
	}
	return versions
}

// origins are the versions that tenants are taken back to.
func origins(touched []*Outcome) map[string][]uint64 {
	versions := map[string][]uint64{}
	for _, o := range touched {
		for service, before := range o.Before {
			if before != nil && !slices.Contains(versions[service], *before) {
				versions[service] = append(versions[service], *before)
			}
		}
	}
	return versions
}

// CheckServed tells whether the services that run can work with what a proposal brings tenants to; tenant.ErrConflict where one
// can't.
func (u *Upgrader) CheckServed(ctx context.Context, p Proposal) error {
	return u.checkServed(ctx, aims(p.Targets))
}
