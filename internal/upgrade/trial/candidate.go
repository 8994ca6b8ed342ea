package trial

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// candidate is a tenant that a trial may be held on.
type candidate struct {
	upgrade.Member
	size int64 // roughly
}

func (c candidate) why() string {
	if c.State == tenant.Suspended {
		return "it is suspended: nobody waits for it"
	}
	return "it is the smallest of those in service"
}

//go:embed sql/sizes.sql
var sizesSQL string

// candidates are the suspended tenants or else all that no operation is at work on, the smallest first.
func (t *trial) candidates(ctx context.Context) ([]candidate, error) {
	members := idle(t.cohort.Members, tenant.Suspended)
	if len(members) == 0 {
		members = idle(t.cohort.Members, "")
	}
	if len(members) == 0 {
		return nil, tenant.WithHint(fmt.Errorf("%s: an operation is unfinished on each of its tenants: %w", t.cohort, tenant.ErrLocked),
			"finish what `tenantctl status` shows, then run the command again")
	}
	var found []candidate
	for name, here := range byInstance(members) {
		sizes, err := t.sizes(ctx, name, here)
		if err != nil {
			return nil, fmt.Errorf("instance %q: %w", name, err)
		}
		for _, m := range here {
			if size, there := sizes[m.Schema]; there {
				found = append(found, candidate{Member: m, size: size})
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: none of its tenants has a schema: %w", t.cohort, tenant.ErrNotFound)
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.size, b.size), strings.Compare(string(a.Tenant), string(b.Tenant)))
	})
	return found, nil
}

// idle are the members in a state, "" for any, that no operation is at work on.
func idle(members []upgrade.Member, state tenant.State) []upgrade.Member {
	return slices.DeleteFunc(slices.Clone(members), func(m upgrade.Member) bool {
		return m.Busy != "" || state != "" && m.State != state
	})
}

func byInstance(members []upgrade.Member) map[string][]upgrade.Member {
	grouped := map[string][]upgrade.Member{}
	for _, m := range members {
		grouped[m.Instance] = append(grouped[m.Instance], m)
	}
	return grouped
}

// sizes are those of the members' schemas, by schema, as the catalog and the statistics have them: no table is opened.
func (t *trial) sizes(ctx context.Context, instance string, members []upgrade.Member) (map[string]int64, error) {
	schemas := make([]string, len(members))
	for i, m := range members {
		schemas[i] = m.Schema
	}
	sizes := map[string]int64{}
	err := t.query(ctx, instance, func(db postgres.Querier) error {
		var schema string
		var size int64
		return postgres.Each(ctx, db, sizesSQL, []any{schemas}, []any{&schema, &size}, func() error {
			sizes[schema] = size
			return nil
		})
	})
	return sizes, err
}

// query opens a session on an instance for a look at its catalog.
func (t *trial) query(ctx context.Context, name string, look func(db postgres.Querier) error) error {
	instance, err := t.open(ctx, name)
	if err != nil {
		return err
	}
	conn, err := postgres.Connect(ctx, instance.DSN, postgres.Options{Application: "trial", Settings: map[string]string{"jit": "off"}})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return look(conn)
}
