package gate

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed sql/session.sql
var sessionSQL string

//go:embed sql/waiters.sql
var waitersSQL string

//go:embed sql/blocker.sql
var blockerSQL string

//go:embed sql/oldest.sql
var oldestSQL string

//go:embed sql/standbys.sql
var standbysSQL string

//go:embed sql/slots.sql
var slotsSQL string

//go:embed sql/indexes.sql
var indexesSQL string

// session is what the administrator's session may see of an instance.
type session struct {
	user             string
	standby          bool
	privileged, told bool // to read others' statistics; and the server keeps them
}

// sees tells whether other sessions can be seen at all.
func (s session) sees() bool { return s.privileged && s.told }

func readSession(ctx context.Context, conn *pgx.Conn) (session, error) {
	var s session
	if err := conn.QueryRow(ctx, sessionSQL).Scan(&s.user, &s.standby, &s.privileged, &s.told); err != nil {
		return session{}, fmt.Errorf("ask what may be seen: %w", err)
	}
	return s, nil
}

// culprit is a session, or with pid 0 a prepared transaction, that holds something up.
type culprit struct {
	pid                      int
	role, application, state string
	age                      float64 // of its transaction, in seconds
}

// named is a number of something that has a name.
type named struct {
	name  string
	value float64
}

// sample is one look at an instance.
type sample struct {
	waiters   int     // for a lock, longer than allowed
	longest   float64 // of these waits, in seconds
	blocker   culprit
	oldest    culprit
	lag       named // the standby that is furthest behind in seconds
	behind    named // and in bytes
	slot      named // the slot that keeps most WAL, in bytes
	unused    bool  // nobody reads from that slot
	lostSlots []string
}

// takeSamples looks at an instance a few times. What only the privileged see is left out for others.
func takeSamples(ctx context.Context, conn *pgx.Conn, s session, waited time.Duration, n int, every time.Duration) ([]sample, error) {
	var all []sample
	for i := range n {
		if i > 0 {
			if err := wait(ctx, every); err != nil {
				return nil, err
			}
		}
		var taken sample
		if s.sees() {
			if err := taken.activity(ctx, conn, waited); err != nil {
				return nil, err
			}
		}
		if err := taken.slots(ctx, conn); err != nil {
			return nil, err
		}
		all = append(all, taken)
	}
	return all, nil
}

func (s *sample) activity(ctx context.Context, conn *pgx.Conn, waited time.Duration) error {
	if err := conn.QueryRow(ctx, waitersSQL, waited.Seconds()).Scan(&s.waiters, &s.longest); err != nil {
		return fmt.Errorf("count sessions that wait for locks: %w", err)
	}
	if s.waiters > 0 {
		if err := s.blocker.read(ctx, conn, blockerSQL); err != nil {
			return fmt.Errorf("ask who holds a lock: %w", err)
		}
	}
	if err := s.oldest.read(ctx, conn, oldestSQL); err != nil {
		return fmt.Errorf("look for the oldest transaction: %w", err)
	}
	var name string
	var lag, behind float64
	err := postgres.Each(ctx, conn, standbysSQL, nil, []any{&name, &lag, &behind}, func() error {
		s.lag.raise(name, lag)
		s.behind.raise(name, behind)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at standbys: %w", err)
	}
	return nil
}

func (s *sample) slots(ctx context.Context, conn *pgx.Conn) error {
	var name string
	var active, lost bool
	var kept float64
	err := postgres.Each(ctx, conn, slotsSQL, nil, []any{&name, &active, &lost, &kept}, func() error {
		if lost {
			s.lostSlots = append(s.lostSlots, name)
		}
		if s.slot.raise(name, kept) {
			s.unused = !active
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at replication slots: %w", err)
	}
	return nil
}

// read takes the one row of a query over; none leaves the zero culprit.
func (c *culprit) read(ctx context.Context, conn *pgx.Conn, sql string) error {
	return postgres.Each(ctx, conn, sql, nil, []any{&c.pid, &c.role, &c.application, &c.state, &c.age}, func() error { return nil })
}

// raise keeps the larger value, and tells whether it is the new one.
func (n *named) raise(name string, value float64) bool {
	if n.name != "" && value <= n.value {
		return false
	}
	*n = named{name, value}
	return true
}

// median is the sample in the middle: neither a moment's rush nor a lucky glance decides. Of two in the middle it is the larger.
func median(samples []sample, of func(sample) float64) sample {
	sorted := slices.SortedStableFunc(slices.Values(samples), func(a, b sample) int {
		switch {
		case of(a) < of(b):
			return -1
		case of(a) > of(b):
			return 1
		}
		return 0
	})
	return sorted[len(sorted)/2]
}

// schemasAtOnce bounds a query about schemas.
const schemasAtOnce = 500

func invalidIndexes(ctx context.Context, conn *pgx.Conn, schemas []string) ([]string, error) {
	var found []string
	for chunk := range slices.Chunk(schemas, schemasAtOnce) {
		var name string
		err := postgres.Each(ctx, conn, indexesSQL, []any{chunk}, []any{&name}, func() error {
			found = append(found, name)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for invalid indexes: %w", err)
		}
	}
	return found, nil
}
