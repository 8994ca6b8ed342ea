package gate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/config"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// database looks at the instances of a wave.
type database struct {
	limits config.DatabaseGate
	every  time.Duration // between two samples
}

const (
	instancesAtOnce = 8
	patience        = 10 * time.Second // for one statement
)

func (g *database) look(ctx context.Context, p upgrade.Passage) (upgrade.Judgement, bool, error) {
	each := make([]findings, len(p.Instances))
	var group errgroup.Group
	group.SetLimit(instancesAtOnce)
	for i, in := range p.Instances {
		group.Go(func() error {
			if err := g.instance(ctx, in, p, &each[i]); err != nil {
				each[i].doubt("instance %s: %s", in.Name, withHints(err))
			}
			return nil
		})
	}
	_ = group.Wait() // every error is a doubt
	var all findings
	for i := range each {
		all.add(&each[i])
	}
	if len(p.Instances) == 0 {
		all.pass("the wave has no tenants on any instance")
	}
	j, again := all.judgement()
	return j, again, nil
}

// schemasOf are those that the wave has upgraded on an instance. Earlier waves had their own look.
func schemasOf(p upgrade.Passage, instance string) []string {
	var schemas []string
	for _, o := range p.Upgraded {
		if o.Instance == instance && o.Wave == p.Wave.Number {
			schemas = append(schemas, o.Schema)
		}
	}
	return schemas
}

func withHints(err error) string {
	return strings.Join(append([]string{err.Error()}, tenant.Hints(err)...), "; ")
}

func (g *database) instance(ctx context.Context, in upgrade.Instance, p upgrade.Passage, f *findings) error {
	conn, err := postgres.Connect(ctx, in.DSN, postgres.Options{Application: "gate", StatementTimeout: patience})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s, err := readSession(ctx, conn)
	if err != nil {
		return err
	}
	if s.standby {
		f.lastingDoubt("instance %s is a standby and knows nothing of locks or replication: let its DSN lead to the primary", in.Name)
		return nil
	}
	samples, err := takeSamples(ctx, conn, s, g.limits.WaitedLongerThan, g.samples(p), g.every)
	if err != nil {
		return err
	}
	r := &reading{limits: &g.limits, instance: in.Name, samples: samples, findings: f}
	if s.sees() {
		r.locks()
		r.transactions()
		r.standbys()
	} else {
		r.unseen(s)
	}
	r.slots()
	return r.indexes(ctx, conn, schemasOf(p, in.Name))
}

// samples are how often an instance is looked at: once where no tenant is still to come, since then nobody waits for the verdict.
func (g *database) samples(p upgrade.Passage) int {
	if len(p.Waiting) == 0 {
		return 1
	}
	return g.limits.Samples
}

// reading judges the samples of one instance.
type reading struct {
	*findings
	limits   *config.DatabaseGate
	instance string
	samples  []sample
}

func (r *reading) figure(name string, value, limit float64, unit string) {
	r.findings.figure(r.instance+" "+name, value, limit, unit)
}

// unseen says what is needed to see more.
func (r *reading) unseen(s session) {
	const unknown = "so that lock waiters, the oldest transaction and replication lag are unknown"
	if !s.privileged {
		r.lastingDoubt("instance %s: role %s may not see other sessions, %s: have a superuser type GRANT pg_monitor TO %s",
			r.instance, s.user, unknown, postgres.Ident(s.user))
		return
	}
	r.lastingDoubt("instance %s: the server keeps no record of what its sessions do, %s: set track_activities to on", r.instance, unknown)
}

func (r *reading) locks() {
	m := median(r.samples, func(s sample) float64 { return float64(s.waiters) })
	r.figure("lock waiters", float64(m.waiters), float64(r.limits.LockWaiters), "")
	if m.waiters <= r.limits.LockWaiters {
		r.pass("instance %s: %s more than %s for a lock (limit %d)", r.instance,
			counted(m.waiters, "session waits", "sessions wait"), span(r.limits.WaitedLongerThan), r.limits.LockWaiters)
		return
	}
	r.fail("instance %s: %s more than %s for a lock, the longest for %s (limit %d); most of them for %s", r.instance,
		counted(m.waiters, "session waits", "sessions wait"), span(r.limits.WaitedLongerThan), seconds(m.longest), r.limits.LockWaiters, m.blocker.advice())
}

func (r *reading) transactions() {
	oldest := median(r.samples, func(s sample) float64 { return s.oldest.age }).oldest
	limit := r.limits.OldestTransaction
	r.figure("oldest transaction", oldest.age, limit.Seconds(), "s")
	if oldest.age <= limit.Seconds() {
		r.pass("its oldest transaction is %s old (limit %s)", seconds(oldest.age), span(limit))
		return
	}
	r.fail("instance %s: a transaction has been open for %s (limit %s), which keeps VACUUM from cleaning up and may hold locks: %s",
		r.instance, seconds(oldest.age), span(limit), oldest.advice())
}

func (r *reading) standbys() {
	lag := median(r.samples, func(s sample) float64 { return s.lag.value }).lag
	behind := median(r.samples, func(s sample) float64 { return s.behind.value }).behind
	if lag.name == "" && behind.name == "" {
		r.pass("it has no standby")
		return
	}
	limit, bytes := r.limits.ReplicationLag, float64(r.limits.ReplicationBytes)
	r.figure("replication lag", lag.value, limit.Seconds(), "s")
	r.figure("replication behind", behind.value, bytes, "bytes")
	const advice = "wait until it has caught up; if it doesn't, look at its load and for queries that hold up its replay"
	switch {
	case lag.value > limit.Seconds():
		r.fail("instance %s: standby %s is %s behind (limit %s): %s", r.instance, lag.name, seconds(lag.value), span(limit), advice)
	case behind.value > bytes:
		r.fail("instance %s: standby %s is %s behind (limit %s): %s", r.instance, behind.name, size(behind.value), size(bytes), advice)
	default:
		r.pass("its standbys are at most %s and %s behind (limits %s and %s)", seconds(lag.value), size(behind.value), span(limit), size(bytes))
	}
}

func (r *reading) slots() {
	m := median(r.samples, func(s sample) float64 { return s.slot.value })
	last := r.samples[len(r.samples)-1]
	for _, name := range last.lostSlots {
		r.lastingDoubt("instance %s: replication slot %s has lost WAL that its reader still needed, nothing tells when: make the reader anew, or drop the slot if nobody needs it", r.instance, name)
	}
	if m.slot.name == "" {
		return
	}
	limit := float64(r.limits.SlotWAL)
	r.figure("WAL kept by a slot", m.slot.value, limit, "bytes")
	if m.slot.value <= limit {
		r.pass("its replication slots keep at most %s of WAL (limit %s)", size(m.slot.value), size(limit))
		return
	}
	advice := "its reader is slow: wait until it has caught up"
	if m.unused {
		advice = "nothing reads from it: start its reader, or drop the slot if nobody needs it"
	}
	r.fail("instance %s: replication slot %s keeps %s of WAL on the server (limit %s); %s", r.instance, m.slot.name, size(m.slot.value), size(limit), advice)
}

func (r *reading) indexes(ctx context.Context, conn *pgx.Conn, schemas []string) error {
	found, err := invalidIndexes(ctx, conn, schemas)
	if err != nil {
		return err
	}
	r.figure("invalid indexes", float64(len(found)), float64(r.limits.InvalidIndexes), "")
	of := counted(len(schemas), "upgraded tenant", "upgraded tenants")
	if len(found) <= r.limits.InvalidIndexes {
		r.pass("%s of %s (limit %d)", counted(len(found), "invalid index", "invalid indexes"), of, r.limits.InvalidIndexes)
		return nil
	}
	r.fail("instance %s: %s of %s (limit %d): %s; rebuild each with REINDEX INDEX CONCURRENTLY, or drop it", r.instance,
		counted(len(found), "invalid index", "invalid indexes"), of, r.limits.InvalidIndexes, some(found))
	return nil
}

// some names the first few.
func some(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// advice names the session and says how to get it out of the way.
func (c culprit) advice() string {
	switch {
	case c.state == "prepared" && c.application != "":
		return fmt.Sprintf("the prepared transaction %s of role %s; end it with COMMIT PREPARED or ROLLBACK PREPARED", postgres.Literal(plain(c.application)), c.role)
	case c.state == "prepared":
		return "a prepared transaction; pg_prepared_xacts lists them, and COMMIT PREPARED or ROLLBACK PREPARED ends one"
	case c.pid == 0:
		return "a session that was gone a moment later"
	}
	who := fmt.Sprintf("pid %d (role %s", c.pid, c.role)
	if c.application != "" {
		who += ", application " + plain(c.application)
	}
	if c.state != "" {
		who += ", " + c.state
	}
	if c.age > 0 {
		who += ", in its transaction for " + seconds(c.age)
	}
	return fmt.Sprintf("%s); let it end, or end it: select pg_terminate_backend(%d)", who, c.pid)
}
