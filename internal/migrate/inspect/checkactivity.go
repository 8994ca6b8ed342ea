package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

var (
	//go:embed sql/sessions.sql
	sessionsSQL string
	//go:embed sql/prepared.sql
	preparedSQL string
	//go:embed sql/vacuums.sql
	vacuumsSQL string
)

type sessionRow struct {
	PID            int32
	Role           string
	Application    string
	Age            float64 // seconds; 0: hidden from us
	TransactionAge float64 // 0: none, or hidden
	State          string
	Endable        bool
	Superuser      bool
}

// String names a session as somebody looks for it: pid 4711 (billing as app, 5m0s old).
func (s sessionRow) String() string {
	application := s.Application
	if application == "" {
		application = "unnamed application"
	}
	if s.Age == 0 {
		return fmt.Sprintf("pid %d (%s as %s)", s.PID, application, s.Role)
	}
	return fmt.Sprintf("pid %d (%s as %s, %s old)", s.PID, application, s.Role, seconds(s.Age))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// sessions tells who is connected: the fence ends every session of the legacy database.
func (c *checker) sessions(ctx context.Context) error {
	sessions, err := collect(ctx, c.source, pgx.RowToStructByName[sessionRow], sessionsSQL)
	if err != nil {
		return err
	}
	var open []string
	unending := map[string][]string{}
	for _, s := range sessions {
		open = append(open, s.String())
		switch {
		case !s.Endable && s.Superuser:
			c.refuse("session-privilege", "session "+s.String(), "is a superuser's, which only a superuser can end: writes can't be stopped while it is open", "close it, or move as a superuser")
		case !s.Endable:
			unending[s.Role] = append(unending[s.Role], s.String())
		}
		if s.TransactionAge >= c.opts.LongTransaction.Seconds() {
			c.warn("long-transaction", "session "+s.String(),
				fmt.Sprintf("has had a transaction open for %s (%s); stopping writes waits for its locks, then ends it", seconds(s.TransactionAge), s.State),
				"let it end, or end it, before the move")
		}
	}
	for role, theirs := range unending {
		c.refuse("session-privilege", "role "+quote(c.catalog.Server.User),
			fmt.Sprintf("can't end the sessions of role %s: %s", quote(role), list(theirs)), "GRANT pg_signal_backend TO "+postgres.Ident(c.catalog.Server.User))
	}
	if len(open) > 0 {
		c.warn("open-session", c.database(), fmt.Sprintf("has %s, ended when writes are stopped: %s", count(len(open), "other session"), list(open)), "")
	}
	return nil
}

// preparedTransactions refuses: they hold locks that no session can be ended for, and may write later.
func (c *checker) preparedTransactions(ctx context.Context) error {
	type row struct {
		GID, Owner string
		Age        float64
	}
	prepared, err := collect(ctx, c.source, pgx.RowToStructByName[row], preparedSQL)
	if err != nil {
		return err
	}
	for _, p := range prepared {
		c.refuse("prepared-transaction", "prepared transaction "+postgres.Literal(p.GID),
			fmt.Sprintf("of role %s has been waiting for %s; what it wrote would be lost", quote(p.Owner), seconds(p.Age)),
			fmt.Sprintf("COMMIT PREPARED %[1]s or ROLLBACK PREPARED %[1]s", postgres.Literal(p.GID)))
	}
	return nil
}

// vacuums are in the way of the fence's lock for as long as they run, those against wraparound without giving way.
func (c *checker) vacuums(ctx context.Context) error {
	type row struct {
		PID        int32
		Table      string
		Bytes      int64
		Wraparound bool
	}
	vacuums, err := collect(ctx, c.source, pgx.RowToStructByName[row], vacuumsSQL)
	if err != nil {
		return err
	}
	for _, v := range vacuums {
		about := fmt.Sprintf("of %s is being vacuumed by pid %d", size(v.Bytes), v.PID)
		if v.Wraparound {
			c.warn("vacuum", "table "+v.Table, about+" against transaction ID wraparound, which doesn't give way: writes can't be stopped before it ends", "wait for it to end")
			continue
		}
		c.note("vacuum", "table "+v.Table, about+"; stopping writes waits a moment for it", "")
	}
	return nil
}

// size writes bytes as people do.
func size(bytes int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
