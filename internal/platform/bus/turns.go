package bus

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

//go:embed sql/roles.sql
var rolesSQL string

//go:embed sql/next.sql
var nextSQL string

const (
	// mostUnderWay is how many paced events of one tenant's service may be sent and not handled before the next ones wait in the
	// outbox, where they stand in nobody's way. It is a fraction of what consumers have on loan.
	mostUnderWay = 64
	// underWayFor is how long an event counts as under way at most: one that fails, or is parked, isn't heard of again.
	underWayFor = time.Minute
	heldPoll    = 20 * time.Millisecond
	// ahead is how much more is read than is sent at once, so that few tenants who wait fill a batch, too.
	ahead = 4
)

// turns remembers who was served last, and what of each is under way. It is a relay's own: another that takes over begins anew.
type turns struct {
	after    string                          // the role that was served last, where there are more than fit into a batch
	held     bool                            // somebody waits for consumers
	underWay map[string]map[string]time.Time // ids by role, and when they were sent
}

// next reads what is sent next: of each role that waits in turn, in its own order. It tells whether there may be more.
func (r *relaying) next(ctx context.Context, tx pgx.Tx) (list []row, more bool, err error) {
	rows, err := tx.Query(ctx, rolesSQL, r.after, mostAtOnce)
	if err != nil {
		return nil, false, fmt.Errorf("who waits in the outbox: %w", err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, false, fmt.Errorf("who waits in the outbox: %w", err)
	}
	more = r.after != "" || len(roles) == mostAtOnce
	r.after = ""
	if len(roles) == mostAtOnce {
		r.after = roles[mostAtOnce-1]
	}
	open, err := r.notHeld(ctx, tx, roles)
	if err != nil || len(open) == 0 {
		return nil, more, err
	}
	share := min(mostAtOnce, 1+ahead*mostAtOnce/len(open))
	if r.Paced != nil {
		share = min(share, mostUnderWay)
	}
	rows, err = tx.Query(ctx, nextSQL, open, share, mostAtOnce)
	if err != nil {
		return nil, false, fmt.Errorf("read the outbox: %w", err)
	}
	list, err = pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, false, fmt.Errorf("read the outbox: %w", err)
	}
	more = more || len(list) == mostAtOnce || slices.ContainsFunc(list, func(e row) bool { return e.Turn == share })
	return list, more, nil
}

// notHeld leaves out those of whom enough is under way.
func (r *relaying) notHeld(ctx context.Context, tx pgx.Tx, roles []string) ([]string, error) {
	full := func(role string) bool { return len(r.underWay[role]) >= mostUnderWay }
	of := map[string]string{}
	for _, role := range roles {
		if full(role) {
			for id := range r.underWay[role] {
				of[id] = role
			}
		}
	}
	r.held = false
	if len(of) == 0 {
		return roles, nil
	}
	rows, err := tx.Query(ctx, `select distinct id::text from bus.inbox where id = any($1::uuid[])`, slices.Collect(maps.Keys(of)))
	if err != nil {
		return nil, fmt.Errorf("what was handled: %w", err)
	}
	handled, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("what was handled: %w", err)
	}
	for _, id := range handled {
		delete(r.underWay[of[id]], id)
	}
	before := len(roles)
	open := slices.DeleteFunc(roles, full)
	r.held = len(open) < before
	return open, nil
}

// sent notes that an event is under way.
func (r *relaying) sent(e row) {
	name, _, err := tenant.OfRole(r.RolePrefix, e.Role)
	if err != nil || r.Paced == nil || !r.Paced(name, e.Type) {
		return
	}
	if r.underWay[e.Role] == nil {
		r.underWay[e.Role] = map[string]time.Time{}
	}
	r.underWay[e.Role][e.ID] = time.Now()
}

// forget leaves out of the count what was sent long ago.
func (r *relaying) forget() {
	for role, under := range r.underWay {
		for id, at := range under {
			if time.Since(at) > underWayFor {
				delete(under, id)
			}
		}
		if len(under) == 0 {
			delete(r.underWay, role)
		}
	}
}

// pause is how long to wait where there was no more.
func (r *relaying) pause() time.Duration {
	if r.held {
		return min(r.Poll, heldPoll)
	}
	return r.Poll
}
