package provision

import (
	"context"
	"fmt"
	"time"

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

// ProvisionUnder is Provision under a lease. From its beginning on no holder before can change the tenant on the instance.
func (p *Provisioner) ProvisionUnder(ctx context.Context, spec tenant.Spec, fence Fence) (Outcome, error) {
	began := time.Now()
	outcome := Outcome{Tenant: spec.Name}
	err := p.Prepare(ctx)
	if err == nil {
		err = p.raise(ctx, fence)
	}
	if err == nil {
		err = p.bring(ctx, request{spec: spec, fence: &fence}, nil, &outcome)
	}
	if err != nil {
		outcome.Err = fmt.Errorf("provision %s: %w", spec.Name, err)
	}
	outcome.Elapsed = time.Since(began)
	return outcome, outcome.Err
}

func (p *Provisioner) raise(ctx context.Context, fence Fence) error {
	return p.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		raise := func() error {
			return registry.RaiseToken(ctx, conn.Conn(), fence.Lease, fence.Token, registry.RaiseOptions{Wait: raiseWait, Terminate: true})
		}
		err := raise()
		if postgres.Classify(err) != postgres.NotFound {
			return err
		}
		if err := registry.OpenInstance(ctx, conn.Conn()); err != nil { // nobody has raised one here yet
			return err
		}
		return raise()
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
