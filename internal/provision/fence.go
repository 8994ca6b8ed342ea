package provision

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Fence is a lease under which a tenant is provisioned: who has lost it can't write any more, however late its message comes.
type Fence struct {
	Lease string
	Token int64 // of the lease; higher than any before
}

const raiseWait = 5 * time.Second

// Leased is a tenant that is to be provisioned under a lease.
type Leased struct {
	Spec  tenant.Spec
	Fence Fence
}

// ProvisionEach is ProvisionUnder for several tenants, one after the other: all tokens are raised at once, and they are recorded and
// looked at together. each is told of every outcome, and tells whether to go on. The error is one that concerns all.
func (p *Provisioner) ProvisionEach(ctx context.Context, tenants []Leased, each func(Outcome) bool) error {
	if err := p.Prepare(ctx); err != nil {
		return err
	}
	specs, tokens := make([]tenant.Spec, len(tenants)), make([]registry.Token, len(tenants))
	for i, t := range tenants {
		specs[i], tokens[i] = t.Spec, registry.Token{Lease: t.Fence.Lease, Token: t.Fence.Token}
	}
	// What stands in one tenant's way is its own affair: each is raised, recorded, or looked at by itself then.
	raised := p.raiseAll(ctx, tokens) == nil
	cells := p.recordAll(ctx, specs)
	observed, err := p.observe(ctx, specs)
	if err != nil {
		observed = nil
	}
	for _, t := range tenants {
		if !each(p.under(ctx, t, observed, together{raised, cells[t.Spec.Name]})) {
			return nil
		}
	}
	return nil
}

// ProvisionUnder is Provision under a lease. From its beginning on no holder before can change the tenant on the instance.
func (p *Provisioner) ProvisionUnder(ctx context.Context, spec tenant.Spec, fence Fence) (Outcome, error) {
	if err := p.Prepare(ctx); err != nil {
		err = fmt.Errorf("provision %s: %w", spec.Name, err)
		return Outcome{Tenant: spec.Name, Err: err}, err
	}
	outcome := p.under(ctx, Leased{spec, fence}, nil, together{})
	return outcome, outcome.Err
}

// together is what was done for a tenant with others.
type together struct {
	raised bool
	cell   string // in which it was recorded; empty: it wasn't
}

func (p *Provisioner) under(ctx context.Context, t Leased, observed *seen, done together) Outcome {
	began := time.Now()
	outcome := Outcome{Tenant: t.Spec.Name}
	var err error
	if !done.raised {
		err = p.raise(ctx, t.Fence)
	}
	if err == nil {
		err = p.bring(ctx, request{spec: t.Spec, fence: &t.Fence, cell: done.cell}, observed, &outcome)
	}
	if err != nil {
		outcome.Err = fmt.Errorf("provision %s: %w", t.Spec.Name, err)
	}
	outcome.Elapsed = time.Since(began)
	return outcome
}

// raiseAll raises tokens that nobody stands in the way of.
func (p *Provisioner) raiseAll(ctx context.Context, tokens []registry.Token) error {
	return p.raising(ctx, func(conn *pgx.Conn) error { return registry.RaiseTokens(ctx, conn, tokens) })
}

func (p *Provisioner) raise(ctx context.Context, fence Fence) error {
	return p.raising(ctx, func(conn *pgx.Conn) error {
		return registry.RaiseToken(ctx, conn, fence.Lease, fence.Token, registry.RaiseOptions{Wait: raiseWait, Terminate: true})
	})
}

// raising makes what tokens are kept in where nobody has raised one on the instance yet.
func (p *Provisioner) raising(ctx context.Context, raise func(*pgx.Conn) error) error {
	return p.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		err := raise(conn.Conn())
		if postgres.Classify(err) != postgres.NotFound {
			return err
		}
		if err := registry.OpenInstance(ctx, conn.Conn()); err != nil {
			return err
		}
		return raise(conn.Conn())
	})
}

// hold are the statements with which a message begins that only the lease's holder may send: registry.HoldToken within a script.
// They fail by a division by zero, which nothing else in such a message can.
func (f *Fence) hold() []string {
	if f == nil {
		return nil
	}
	lease := postgres.Literal(f.Lease)
	return []string{
		"select pg_advisory_xact_lock_shared(hashtextextended('tenantctl_instance.lease:' || " + lease + ", 0))",
		fmt.Sprintf("select 1 / count(*) from (select from tenantctl_instance.lease where name = %s and token = %d for share) as held", lease, f.Token),
	}
}

const divisionByZero = "22012"

// explain makes what hold fails by the error that it means.
func (f *Fence) explain(err error) error {
	if f != nil && postgres.Code(err) == divisionByZero {
		return fmt.Errorf("lease %q was taken over by another process: %w", f.Lease, tenant.ErrLeaseLost)
	}
	return err
}
