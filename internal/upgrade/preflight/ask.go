package preflight

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/postgres"
	"tenantctl/internal/upgrade"
)

// subject is a tenant with the risks of its files.
type subject struct {
	member upgrade.Member
	risks  []risk
}

// resolve says what a name in a file means in this tenant; false where it isn't the tenant's own.
func (s subject) resolve(t tableName) (tableName, bool) {
	if t.schema == "" {
		t.schema = s.member.Schema
	}
	return t, t.schema == s.member.Schema
}

// errand is what one tenant is asked in the hands of one service: a transaction.
type errand struct {
	member upgrade.Member
	hands  upgrade.Hands
	items  []item
}

// item is one question, put in SQL.
type item struct {
	risk
	at      place
	sql     string
	carried string // where a statement stands whose changes triggers or functions of this tenant may carry over
}

const (
	tenantsPerLook    = 500 // in one query of the catalog
	tenantsPerMessage = 25
)

// asker asks the tenants of one instance.
type asker struct {
	instance upgrade.Instance
	pool     *pgxpool.Pool
	Options

	mutex  sync.Mutex
	report Report
}

func askInstance(ctx context.Context, open func(ctx context.Context, name string) (upgrade.Instance, error), name string, subjects []subject, opts Options) (Report, error) {
	instance, err := open(ctx, name)
	if err != nil {
		return Report{}, err
	}
	pool, err := postgres.Open(ctx, instance.DSN, postgres.Options{
		Application: "preflight", MaxConns: int32(opts.Parallel), StatementTimeout: opts.Timeout, //nolint:gosec // a small number
		// An empty path qualifies all names in definitions. A question is no reason to take a second core.
		Settings: map[string]string{"search_path": "", "default_transaction_read_only": "on", "jit": "off", "max_parallel_workers_per_gather": "0"},
	})
	if err != nil {
		return Report{}, err
	}
	defer pool.Close()
	a := &asker{instance: instance, pool: pool, Options: opts}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(opts.Parallel)
	for len(subjects) > 0 {
		n := min(len(subjects), tenantsPerLook)
		errands, err := a.prepare(ctx, subjects[:n])
		if err != nil {
			_ = group.Wait() // the cause is the one that is returned, or ended the context
			return a.report, err
		}
		subjects = subjects[n:]
		for len(errands) > 0 {
			batch := errands[:min(len(errands), tenantsPerMessage)]
			errands = errands[len(batch):]
			group.Go(func() error { return a.run(ctx, batch) })
		}
	}
	err = group.Wait()
	return a.report, err
}

// prepare reads what the tenants have and puts their questions in SQL.
func (a *asker) prepare(ctx context.Context, subjects []subject) ([]errand, error) {
	subjects, err := a.resolveConstraints(ctx, subjects)
	if err != nil {
		return nil, err
	}
	names, functions := wanted{}, wanted{}
	for _, s := range subjects {
		s.wants(names, functions)
	}
	var have catalog
	if have.relations, err = readRelations(ctx, a.pool, names); err != nil {
		return nil, err
	}
	if have.functions, err = readFunctions(ctx, a.pool, functions); err != nil {
		return nil, err
	}
	var errands []errand
	for _, s := range subjects {
		found, err := a.errands(s, have)
		if err != nil {
			return nil, err
		}
		errands = append(errands, found...)
	}
	return errands, nil
}

// resolveConstraints puts the questions of constraints that tenants have in the place of their names.
func (a *asker) resolveConstraints(ctx context.Context, subjects []subject) ([]subject, error) {
	tables := wanted{}
	for _, s := range subjects {
		for _, r := range s.risks {
			if t, own := s.resolve(r.table); own && r.constraint != "" {
				tables[t] = true
			}
		}
	}
	definitions, err := readConstraints(ctx, a.pool, tables)
	if err != nil {
		return nil, err
	}
	resolved := make([]subject, len(subjects))
	for i, s := range subjects {
		resolved[i] = subject{member: s.member}
		for _, r := range s.risks {
			if r.constraint == "" {
				resolved[i].risks = append(resolved[i].risks, r)
				continue
			}
			t, _ := s.resolve(r.table)
			questions, _ := constraint(parse(definitions[t][r.constraint]), false)
			for _, q := range questions {
				r.question = q
				resolved[i].risks = append(resolved[i].risks, r)
			}
		}
	}
	return resolved, nil
}

// wants notes what has to be looked up for a tenant.
func (s subject) wants(names, functions wanted) {
	want := func(t tableName) {
		if t, own := s.resolve(t); own {
			names[t] = true
		}
	}
	for _, r := range s.risks {
		want(r.table)
		for _, other := range r.question.others() {
			want(other)
		}
		if unique, ok := r.question.(duplicates); ok && unique.index != "" {
			want(tableName{name: unique.index})
		}
		for _, effect := range r.mender().possible {
			for _, word := range effect.words() {
				want(tableName{name: word})
				functions[tableName{s.member.Schema, word}] = true
			}
		}
	}
}

// errands are a tenant's questions by service, since each service has a role of its own.
func (a *asker) errands(s subject, have catalog) ([]errand, error) {
	var found []errand
	for _, r := range s.risks {
		i, ok := a.item(s, r, have)
		if !ok {
			continue
		}
		if n := len(found); n > 0 && found[n-1].items[0].service == r.service {
			found[n-1].items = append(found[n-1].items, i)
			continue
		}
		hands, err := a.instance.Hands(s.member, r.service)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", s.member.Tenant, err)
		}
		found = append(found, errand{member: s.member, hands: hands, items: []item{i}})
	}
	return found, nil
}

func (a *asker) item(s subject, r risk, have catalog) (item, bool) {
	find := func(t tableName) *relation {
		t, own := s.resolve(t)
		if found := have.relations[t]; own {
			return found
		}
		return nil
	}
	at := place{table: find(r.table), Options: a.Options}
	if !at.table.isTable() || r.only && at.table.Kind == "p" {
		return item{}, false
	}
	for _, other := range r.question.others() {
		if at.parent = find(other); !at.parent.isTable() {
			return item{}, false
		}
	}
	if unique, ok := r.question.(duplicates); ok && unique.index != "" {
		at.index = find(tableName{name: unique.index})
	}
	i := item{risk: r, at: at, sql: r.question.ask(at)}
	for _, effect := range r.mender().possible {
		for _, word := range effect.words() {
			t := tableName{s.member.Schema, word}
			if table := have.relations[t]; have.functions[t] || table != nil && table.Carries {
				i.carried = effect.where
			}
		}
	}
	return i, i.sql != ""
}
