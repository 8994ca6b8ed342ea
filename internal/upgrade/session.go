package upgrade

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// tenantsPerSession bounds what a server process remembers: about 12 kB for each table that it ever touched.
const tenantsPerSession = 500

// session is a worker's connection to an instance. It is opened when it is needed, again after it broke, and anew after many
// tenants.
type session struct {
	instance Instance
	rollout  string
	turn     turn
	conn     *pgx.Conn
	served   int
}

// get is the connection, open.
func (s *session) get(ctx context.Context) (*pgx.Conn, error) {
	if s.conn != nil && !s.conn.IsClosed() {
		return s.conn, nil
	}
	conn, err := postgres.Connect(ctx, s.instance.DSN, postgres.Options{
		Application: "upgrade/" + s.rollout, Settings: map[string]string{"jit": "off", "client_min_messages": "warning"},
	})
	if err != nil {
		return nil, fmt.Errorf("instance %q: %w", s.instance.Name, err)
	}
	s.conn, s.served = conn, 0
	return conn, nil
}

// next begins another tenant.
func (s *session) next(ctx context.Context) {
	s.served++
	if s.served > tenantsPerSession {
		s.close(ctx)
	}
}

func (s *session) close(ctx context.Context) {
	if s.conn != nil {
		_ = s.conn.Close(context.WithoutCancel(ctx)) // it is closed whatever it says
		s.conn = nil
	}
}

// turn is had by one at a time.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
