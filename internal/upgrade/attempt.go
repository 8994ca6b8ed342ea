package upgrade

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// direction says which way a tenant is taken.
type direction string

const (
	forward  direction = "forward"  // to the targets, services in dependency order
	backward direction = "backward" // to where it stood before, services in reverse order
)

// attempt is the work on one tenant, with a session of the worker's.
type attempt struct {
	*Upgrader
	instance Instance
	session  *session
	rollout  string
	way      direction
	outcome  *Outcome
	stands   map[string]stream.Stand // where it was just seen, by service
	blocked  bool                    // it met lock timeouts
}

// run does the work and writes what came of it into the outcome. Nothing is written there when the context ended: the tenant
// stays as it is recorded, and the next run looks again.
func (a *attempt) run(ctx context.Context) error {
	began := time.Now()
	err := a.services(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.outcome.Elapsed = time.Since(began)
	a.outcome.err = err
	a.outcome.Failure = nil
	switch {
	case err == nil && a.way == forward:
		a.outcome.Result = Upgraded
	case err == nil:
		a.outcome.Result = Reverted
	default:
		a.judge(ctx, err)
	}
	return nil
}

func (a *attempt) services(ctx context.Context) error {
	targets := slices.Clone(a.Targets)
	if a.way == backward {
		slices.Reverse(targets)
	}
	for _, target := range targets {
		if !slices.Contains(a.outcome.Services, target.Service) {
			continue
		}
		if err := a.service(ctx, target); err != nil {
			return err
		}
	}
	return nil
}

// service brings one stream of the tenant about, however often that takes.
func (a *attempt) service(ctx context.Context, target Target) error {
	hands, err := a.instance.Hands(a.outcome.Member, target.Service)
	if err != nil {
		return err
	}
	stand, known := a.stands[target.Service]
	for try := 1; ; try++ {
		a.outcome.Attempts++
		to := a.target(hands, try)
		if known && try == 1 {
			to.At = &stand
		}
		err := a.apply(ctx, to, target)
		pause.Point(ctx, pause.TenantUpgraded)
		if err == nil || !a.worthAnother(ctx, err) || try >= a.Patience.Attempts {
			return err
		}
		a.Log.DebugContext(ctx, "try again", "tenant", a.outcome.Tenant, "service", target.Service, "try", try, "error", err.Error())
		if err := a.wait(ctx, try); err != nil {
			return err
		}
	}
}

func (a *attempt) target(hands Hands, try int) stream.Target {
	return stream.Target{
		Schema: a.outcome.Schema, Role: hands.Role, Path: hands.Path, Grants: hands.Grants, Record: true, Mark: a.rollout,
		LockTimeout:      doubled(a.Patience.FirstLock, a.Patience.LongestLock, try),
		StatementTimeout: a.Patience.Statement, ConcurrentWait: a.Patience.Concurrent,
		Patience: a.Patience.LongestLock,
	}
}

// doubled is first, then twice as much with each try, up to most.
func doubled(first, most time.Duration, try int) time.Duration {
	for ; try > 1 && first < most; try-- {
		first *= 2
	}
	return min(first, most)
}

// apply runs the files. What can't be in a transaction takes its turn: an index that is built concurrently waits for every older
// transaction of the database, other builds included.
func (a *attempt) apply(ctx context.Context, to stream.Target, target Target) error {
	s := a.streams[target.Service]
	conn, err := a.session.get(ctx)
	if err != nil {
		return err
	}
	if a.takesTurn(s, target) {
		if err := a.session.turn.take(ctx); err != nil {
			return err
		}
		defer a.session.turn.give()
	}
	if a.way == forward {
		result, err := stream.Apply(ctx, conn, to, s, target.Version)
		a.note(target.Service, result)
		return err
	}
	result, err := stream.Revert(ctx, conn, to, s, a.outcome.Before[target.Service])
	a.note(target.Service, result)
	return err
}

// takesTurn tells whether a file that is to be run can't be in a transaction.
func (a *attempt) takesTurn(s *stream.Stream, target Target) bool {
	if a.way == backward {
		return slices.ContainsFunc(s.Between(a.outcome.Before[target.Service], target.Version), func(f stream.File) bool { return f.Down.Mode == stream.Autocommit })
	}
	above := a.outcome.Before[target.Service]
	if stand := a.stands[target.Service]; stand.Version != nil && stand.Version.Dirty {
		above = nil
	}
	return slices.ContainsFunc(s.Between(above, target.Version), func(f stream.File) bool { return f.Up.Mode == stream.Autocommit })
}

func (a *attempt) note(service string, result stream.Result) {
	if a.outcome.now == nil {
		a.outcome.now = map[string]tenant.Version{}
	}
	if result.To != nil {
		a.outcome.now[service] = *result.To
	}
}

// worthAnother tells errors that may be gone a moment later from those that stay.
func (a *attempt) worthAnother(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	a.blocked = a.blocked || postgres.Code(err) == lockNotAvailable
	return transient(err)
}

const lockNotAvailable = "55P03"

func transient(err error) bool {
	return postgres.Classify(err) == postgres.Retryable || errors.Is(err, tenant.ErrLocked)
}

func (a *attempt) wait(ctx context.Context, try int) error {
	most := doubled(a.Patience.Pause, a.Patience.LongestPause, try)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rand.N(most) + time.Millisecond): //nolint:gosec // spreads out, hides nothing
		return nil
	}
}

// judge writes down why a tenant isn't there.
func (a *attempt) judge(ctx context.Context, err error) {
	a.outcome.Result = Failed
	if transient(err) {
		a.outcome.Result = Deferred
	}
	a.outcome.Failure = failureOf(err)
	conn, connErr := a.session.get(ctx)
	if connErr != nil {
		return // the failure says already that the server can't be reached
	}
	var there bool
	if conn.QueryRow(ctx, `select to_regnamespace($1) is not null`, postgres.Ident(a.outcome.Schema)).Scan(&there) == nil && !there {
		a.outcome.Result, a.outcome.Failure, a.outcome.err = Skipped, nil, nil
		a.outcome.Note = droppedNote
		return
	}
	if postgres.Code(err) == lockNotAvailable {
		a.outcome.Failure.Blockers = Blockers(ctx, conn, a.outcome.Schema)
	}
}

func failureOf(err error) *Failure {
	failure := &Failure{Message: err.Error(), Code: postgres.Code(err)}
	var declined *stream.Error
	if errors.As(err, &declined) {
		failure.Service, failure.File, failure.Line, failure.Statement = declined.Service, declined.File, declined.Line, declined.Statement
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		failure.Message = pgErr.Message
		if pgErr.Detail != "" {
			failure.Message += " (" + pgErr.Detail + ")"
		}
	}
	return failure
}

// Blockers describes the sessions that hold locks in a schema, but for the asking one; "" where there are none any more.
func Blockers(ctx context.Context, conn *pgx.Conn, schema string) string {
	var found string
	err := conn.QueryRow(ctx, `
		select coalesce(string_agg(distinct format('session %s (%s, %s, transaction since %s)', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'),
			coalesce(a.state, 'state unknown'), to_char(a.xact_start at time zone 'UTC', 'HH24:MI:SS "UTC"')), '; '), '')
		from pg_locks l join pg_class c on c.oid = l.relation join pg_stat_activity a on a.pid = l.pid
		where c.relnamespace = to_regnamespace($1) and l.granted and l.pid <> pg_backend_pid()
		  and l.database = (select oid from pg_database where datname = current_database())`, postgres.Ident(schema)).Scan(&found)
	if err != nil {
		return fmt.Sprintf("who holds the locks can't be told: %s", err)
	}
	return found
}
