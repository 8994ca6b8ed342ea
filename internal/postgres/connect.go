package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/tenant"
)

// Options are the settings of every connection. The zero value is safe: nothing waits forever on a lock.
type Options struct {
	// Application is what pg_stat_activity shows after "tenantctl/".
	Application string
	// LockTimeout bounds the wait for a lock; 0 means 10 s, negative means none.
	LockTimeout time.Duration
	// StatementTimeout bounds a statement; 0 means none: long copies are this program's trade.
	StatementTimeout time.Duration
	// MaxConns bounds a pool; 0 means 4.
	MaxConns int32
	// Settings are further run-time parameters, sent when the session starts.
	Settings map[string]string
}

const (
	defaultLockTimeout = 10 * time.Second
	connectTimeout     = 10 * time.Second
	keepaliveIdle      = "15"
	keepaliveInterval  = "5"
	keepaliveCount     = "3"
)

// Connect opens one session. Its errors never hold a password and wrap tenant.ErrAuth where the server declined the log-in.
func Connect(ctx context.Context, dsn string, opts Options) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, invalidDSN(dsn, err)
	}
	opts.apply(config)
	config.Tracer = tracerOf(ctx)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connectError(&config.Config, err)
	}
	return conn, nil
}

// Open opens a pool and proves that it can connect.
func Open(ctx context.Context, dsn string, opts Options) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, invalidDSN(dsn, err)
	}
	opts.apply(config.ConnConfig)
	config.ConnConfig.Tracer = tracerOf(ctx)
	config.MaxConns = 4
	if opts.MaxConns > 0 {
		config.MaxConns = opts.MaxConns
	}
	config.MinConns = 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, connectError(&config.ConnConfig.Config, err)
	}
	return pool, nil
}

// apply sets what every session of this program has. Statements go out unprepared: a cached plan breaks when one session
// meets tenants at different versions.
func (o Options) apply(config *pgx.ConnConfig) {
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.ConnectTimeout == 0 || config.ConnectTimeout > time.Minute {
		config.ConnectTimeout = connectTimeout
	}
	lock := o.LockTimeout
	if lock == 0 {
		lock = defaultLockTimeout
	}
	params := config.RuntimeParams
	params["application_name"] = "tenantctl/" + o.Application
	params["lock_timeout"] = milliseconds(lock)
	params["statement_timeout"] = milliseconds(o.StatementTimeout)
	params["idle_in_transaction_session_timeout"] = "0"
	params["tcp_keepalives_idle"] = keepaliveIdle
	params["tcp_keepalives_interval"] = keepaliveInterval
	params["tcp_keepalives_count"] = keepaliveCount
	params["client_encoding"] = "UTF8"
	for name, value := range o.Settings {
		params[name] = value
	}
	config.AfterConnect = settle
}

// settle overrides what a database or role may have set and no session of this program can live with. Transactions are what the code
// takes them for; a deferrable one would wait for the end of its own move. Dates are printed as the driver reads them, in whatever order
// they are written. A session waits as long as it must: one that holds a lock, listens, or stands by while others copy has nothing to
// send. Servers before 14 don't know that last setting, and would decline it in the log-in.
func settle(ctx context.Context, conn *pgconn.PgConn) error {
	sql := "set default_transaction_isolation = 'read committed'; set default_transaction_deferrable = off; set datestyle = 'ISO'; set bytea_output = 'hex'"
	if major, err := strconv.Atoi(firstNumber.FindString(conn.ParameterStatus("server_version"))); err == nil && major >= 14 {
		sql += "; set idle_session_timeout = 0"
	}
	if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("settle the session: %w", err)
	}
	return nil
}

var firstNumber = regexp.MustCompile(`^\d+`)

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 0), 10)
}

// invalidDSN says what is wrong with a connection string in words that the parser always uses: around them it quotes parts of
// the string, which may hold the password.
func invalidDSN(dsn string, err error) error {
	reason := ""
	for _, known := range []string{
		"failed to parse as URL", "failed to parse as keyword/value", "invalid port", "failed to configure TLS",
		"failed to read service", "invalid connect_timeout", "unknown target_session_attrs value", "could not match",
	} {
		if strings.Contains(err.Error(), "`: "+known) {
			reason = known + ": "
		}
	}
	return tenant.WithHint(fmt.Errorf("connection string %s: %s%w", MaskDSN(dsn), reason, tenant.ErrInvalid),
		"write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters of USER and PASSWORD percent-encoded (@ is %40)")
}

// Explain turns an error of a pool or session that lost its server into one that names the server, and leaves others alone.
func Explain(config *pgx.ConnConfig, err error) error {
	var connect *pgconn.ConnectError
	var explained *tenant.HintError
	switch {
	case err == nil || errors.As(err, &explained):
		return err
	case errors.As(err, &connect):
		return connectError(&config.Config, err)
	case connectionLost(err) || strings.HasPrefix(Code(err), "57P"):
		return tenant.WithHint(fmt.Errorf("lost the connection to %s:%d, database %q: %w", config.Host, config.Port, config.Database, err),
			"check that the server runs and can be reached (`tenantctl doctor`), then run the command again")
	}
	return err
}

// connectError says which server was asked, as whom and for what, and classes the answer.
func connectError(config *pgconn.Config, err error) error {
	where := fmt.Sprintf("connect to %s:%d as %q to database %q", config.Host, config.Port, config.User, config.Database)
	cause := connectCause{err}
	switch Code(err) {
	case "28P01", "28000":
		return tenant.WithHint(fmt.Errorf("%s: %w: %w", where, tenant.ErrAuth, cause),
			"check user and password of this DSN; `tenantctl doctor` tries every server of the file")
	case "3D000":
		return tenant.WithHint(fmt.Errorf("%s: %w: %w", where, tenant.ErrNotFound, cause), "check the database name of this DSN")
	}
	return tenant.WithHint(fmt.Errorf("%s: %w", where, cause), "check that the server runs and can be reached: `tenantctl doctor`")
}

// connectCause is a failed attempt to connect as one line: the driver gives one for each of its tries, with and without TLS,
// mostly the same.
type connectCause struct{ err error }

func (c connectCause) Unwrap() error { return c.err }

func (c connectCause) Error() string {
	cause := c.err
	var connect *pgconn.ConnectError
	if errors.As(c.err, &connect) {
		cause = connect.Unwrap()
	}
	var lines []string
	for _, line := range strings.Split(cause.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
