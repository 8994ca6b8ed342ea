package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/operation"
	"tenantctl/internal/tenant"
)

// The phases of an offline move, in order.
const (
	PhaseInspect   = "inspect"
	PhaseProvision = "provision"
	PhaseSchema    = "schema"
	PhaseFence     = "fence"
	PhaseCopy      = "copy"
	PhaseIndex     = "index"
	PhaseVerify    = "verify"
	PhaseCutover   = "cutover"
)

// Phases lists them, for --stop-before.
func Phases() []string {
	return []string{PhaseInspect, PhaseProvision, PhaseSchema, PhaseFence, PhaseCopy, PhaseIndex, PhaseVerify, PhaseCutover}
}

// Describe says in a line what a phase does; "" of a phase that isn't one of Phases.
func Describe(phase string) string {
	return map[string]string{
		PhaseInspect:   "read the legacy database and decide what becomes of it",
		PhaseProvision: "make the tenant's schema and roles",
		PhaseSchema:    "create tables and types without indexes",
		PhaseFence:     "hold the tenant's traffic and stop writes to the legacy database",
		PhaseCopy:      "copy every row, summing each",
		PhaseIndex:     "build indexes, constraints, triggers; set sequences; analyze",
		PhaseVerify:    "read every row back and compare",
		PhaseCutover:   "send the tenant's traffic to the platform",
	}[phase]
}

// steps are the phases as journalled steps. Everything before the fence leaves the client's writes alone.
func (m *Move) steps() []operation.Step {
	return []operation.Step{
		{Name: PhaseInspect, Describe: Describe(PhaseInspect), Run: m.inspect},
		{Name: PhaseProvision, Describe: Describe(PhaseProvision), Run: m.planned(m.provision)},
		{Name: PhaseSchema, Describe: Describe(PhaseSchema), Run: m.planned(m.schema)},
		{Name: PhaseFence, Describe: Describe(PhaseFence), Run: m.planned(m.raiseFence)},
		{Name: PhaseCopy, Describe: Describe(PhaseCopy), Run: m.planned(m.copy)},
		{Name: PhaseIndex, Describe: Describe(PhaseIndex), Run: m.planned(m.index)},
		{Name: PhaseVerify, Describe: Describe(PhaseVerify), Run: m.planned(m.verify)},
		{Name: PhaseCutover, Describe: Describe(PhaseCutover), Run: m.planned(m.cutover)},
	}
}

const planReport = "plan"

// planned makes sure that the plan of an earlier run is there before a step of this run needs it.
func (m *Move) planned(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := m.loadPlan(ctx); err != nil {
			return err
		}
		return run(ctx)
	}
}

func (m *Move) loadPlan(ctx context.Context) error {
	if m.plan != nil {
		return nil
	}
	body, err := m.Registry.Report(ctx, m.op.ID, planReport)
	if err != nil {
		return fmt.Errorf("read the plan of operation %s: %w", m.op.ID, err)
	}
	var plan Plan
	if err := json.Unmarshal(body, &plan); err != nil {
		return fmt.Errorf("read the plan of operation %s: %w", m.op.ID, err)
	}
	m.plan = &plan
	return nil
}

func (m *Move) savePlan(ctx context.Context) error {
	return m.Registry.SaveReport(ctx, m.op.ID, planReport, m.plan)
}

// inspect checks everything that could break and makes the plan.
func (m *Move) inspect(ctx context.Context) error {
	plan, err := Prepare(ctx, m.Config, m.op.ID)
	if err != nil {
		return err
	}
	m.plan = plan
	for _, finding := range plan.Findings {
		if m.Observer != nil && finding.Severity == inspect.Warning {
			m.Observer.Finding(finding.Object + ": " + finding.Message)
		}
	}
	return m.savePlan(ctx)
}

// provision makes what the rows will need: schemas, roles, the services' tables, extensions.
func (m *Move) provision(ctx context.Context) error {
	owner, err := m.Tenancy.Provision(ctx, m.plan.Schemas)
	if err != nil {
		return err
	}
	m.plan.Owner = owner
	if err := m.savePlan(ctx); err != nil {
		return err
	}
	return m.extensions(ctx)
}

// schema loads definitions, and takes off what would slow the rows down where the tables were there already.
func (m *Move) schema(ctx context.Context) error {
	if err := m.strip(ctx); err != nil {
		return err
	}
	return m.loader(m.dialTarget).Serial(ctx, "pre", m.plan.Pre)
}

// raiseFence stops the client's writes, and makes sure that the plan still fits what the writes left behind.
func (m *Move) raiseFence(ctx context.Context) error {
	epoch, err := m.Registry.SetRoute(ctx, m.Spec.Name, tenant.RouteHold, m.Actor)
	if err != nil {
		return err
	}
	if waiting, err := m.Registry.WaitAcknowledged(ctx, epoch, holdTimeout); err != nil {
		return fmt.Errorf("hold the tenant's traffic: gateways that haven't seen it: %v: %w", waiting, err)
	}
	if _, err := m.fence().Set(ctx); err != nil {
		return errors.Join(err, m.giveBack(ctx))
	}
	return m.fitPlan(ctx)
}

// giveBack returns the tenant's traffic to the legacy database after a fence that didn't stand.
func (m *Move) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	_, err := m.Registry.SetRoute(ctx, m.Spec.Name, tenant.RouteLegacy, m.Actor)
	return err
}

// fitPlan reads the sizes and files of the legacy tables as they stand now, and gives up if their definitions changed since
// the plan was made: the fence is released and the next run plans anew.
func (m *Move) fitPlan(ctx context.Context) error {
	conn, err := m.dialSource(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	fingerprint, err := inspect.Fingerprint(ctx, conn)
	if err != nil {
		return err
	}
	if fingerprint != m.plan.Fingerprint {
		return errors.Join(m.startOver(ctx), tenant.WithHint(fmt.Errorf("the legacy schema changed while the move was being prepared: %w", tenant.ErrConflict),
			"run the same command again; writes are allowed again meanwhile"))
	}
	catalog, err := inspect.Read(ctx, conn)
	if err != nil {
		return err
	}
	byOID := make(map[uint32]inspect.Table, len(catalog.Tables))
	for _, t := range catalog.Tables {
		byOID[t.OID] = t
	}
	for i := range m.plan.Tables {
		now, there := byOID[m.plan.Tables[i].Source.OID]
		if !there {
			return fmt.Errorf("legacy table %s is gone: %w", m.plan.Tables[i].Name, tenant.ErrConflict)
		}
		m.plan.Tables[i].Source.Pages, m.plan.Tables[i].Source.Bytes, m.plan.Tables[i].Source.Filenode = now.Pages, now.Bytes, now.Filenode
	}
	return m.savePlan(ctx)
}

// startOver undoes what was prepared, so that the next run inspects again.
func (m *Move) startOver(ctx context.Context) error {
	if err := m.fence().Release(ctx); err != nil {
		return err
	}
	if err := m.giveBack(ctx); err != nil {
		return err
	}
	if err := m.clearTarget(ctx); err != nil {
		return err
	}
	return m.Registry.Forget(ctx, m.op.ID, Phases()...)
}

// copy moves the rows. The fence is looked at before and after: what it didn't guard isn't proven.
func (m *Move) copy(ctx context.Context) error {
	if _, err := m.fence().Check(ctx); err != nil {
		return m.weakened(err)
	}
	stop := m.report(ctx)
	defer stop()
	copier := &copy.Copier{
		Source: m.dialSource, Target: m.dialRows, Marks: rowMarks{marks{m}}, Jobs: m.Jobs, ChunkBytes: m.plan.ChunkBytes,
		Seed: m.plan.Seed, Limiter: m.limiter(), Progress: m.watch, Drain: m.Drain,
	}
	first := slices.DeleteFunc(slices.Clone(m.plan.Tables), func(t copy.Table) bool { return slices.Contains(m.plan.Last, t.Target) })
	for _, tables := range [][]copy.Table{first, m.plan.Tables} {
		if err := copier.Run(ctx, tables, m.plan.Version); err != nil {
			return err
		}
	}
	if _, err := m.fence().Check(ctx); err != nil {
		return m.weakened(err)
	}
	return nil
}

func (m *Move) weakened(err error) error {
	return tenant.WithHint(fmt.Errorf("the copy can't be proven: %w", err),
		fmt.Sprintf("`tenantctl rollback %[1]s`, then `tenantctl migrate %[1]s` from the start", m.Spec.Name))
}

// cutover sends the traffic to the platform. The fence stays: it is what makes going back lose nothing.
func (m *Move) cutover(ctx context.Context) error {
	if _, err := m.fence().Check(ctx); err != nil {
		return m.weakened(err)
	}
	if err := m.Registry.SetSearchPath(ctx, m.Spec.Name, m.plan.Path, m.Actor); err != nil {
		return err
	}
	if _, err := m.Registry.SetRoute(ctx, m.Spec.Name, tenant.RoutePlatform, m.Actor); err != nil {
		return err
	}
	m.publish(ctx, "tenant.moved", fmt.Sprintf("%s lives on the platform: every row proven", m.Spec.Name))
	return nil
}
