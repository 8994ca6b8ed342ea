package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/config"
	"tenantctl/internal/local"
	"tenantctl/internal/look"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// server is what doctor asks of every PostgreSQL.
type server struct {
	Num      int
	Version  string
	WALLevel string
	Database string
	User     string
	Recovery bool
}

func (s server) text(dsn string) string {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "PostgreSQL " + s.Version
	}
	return fmt.Sprintf("PostgreSQL %s on %s:%d, database %s, as %s", s.Version, config.Host, config.Port, s.Database, s.User)
}

const versionDivisor = 10000

func (s server) major() int { return s.Num / versionDivisor }

func askServer(ctx context.Context, db postgres.Querier) (s server, err error) {
	err = db.QueryRow(ctx, `select current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1),
		current_setting('wal_level'), current_database()::text, current_user::text, pg_is_in_recovery()`).
		Scan(&s.Num, &s.Version, &s.WALLevel, &s.Database, &s.User, &s.Recovery)
	return s, err
}

// failure is an error as a check shows it: its message, and the first of its hints.
func failure(subject string, err error) check {
	c := check{Subject: subject, Result: checkFail, Found: err.Error()}
	if hints := tenant.Hints(err); len(hints) > 0 {
		c.Do = hints[0]
	}
	return c
}

// connect opens a server for a few questions; what stands against it is a check.
func (d *doctor) connect(ctx context.Context, subject, dsn string) (*pgx.Conn, server, *check) {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "doctor", StatementTimeout: askTimeout})
	if err != nil {
		c := failure(subject, err)
		if errors.Is(err, tenant.ErrAuth) {
			c.Do = "check user and password of this connection string"
		} else if c.Do == "" || errors.As(err, new(*net.OpError)) {
			c.Do = "check that the server runs, and that this machine may reach its port"
		}
		return nil, server{}, &c
	}
	asked, err := askServer(ctx, conn)
	if err != nil {
		c := failure(subject, err)
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, server{}, &c
	}
	return conn, asked, nil
}

const askTimeout = 20 * time.Second

// programs looks for PostgreSQL's own programs on this machine.
func (d *doctor) programs(context.Context) []check {
	var checks []check
	tools, err := postgres.FindTools()
	if err != nil {
		checks = append(checks, failure("client programs", err))
	} else {
		checks = append(checks, check{Subject: "client programs", Result: checkOK, Found: fmt.Sprintf("pg_dump %d in %s", tools.Major, tools.Bin)})
	}
	binaries, err := postgres.FindServer(0)
	if err == nil {
		return append(checks, check{Subject: "server programs", Result: checkOK, Found: fmt.Sprintf("PostgreSQL %d in %s", binaries.Major, binaries.Bin)})
	}
	missing := failure("server programs", err)
	if !d.needsLocal() {
		missing.Result, missing.Do = checkWarn, "without them lifts are prepared on the shared instance; Debian: `apt-get install postgresql`"
	}
	return append(checks, missing)
}

func (d *doctor) needsLocal() bool { return d.file.Instances()[0].Local }

// control looks at tenantctl's own records.
func (d *doctor) control(ctx context.Context) []check {
	control := d.file.Control()
	subject := "control database"
	if control.Local {
		running, where, err := d.localStack()
		if err != nil {
			return []check{failure(subject, err)}
		}
		if !running {
			return []check{{Subject: subject, Result: checkOK, Found: "on instance " + control.Instance + ": " + where}}
		}
	}
	if control.Instance != "" {
		return []check{d.records(ctx, subject, "on instance "+control.Instance)}
	}
	dsn, err := d.factory.resolve(control.DSN)
	if err != nil {
		return []check{failure(subject, err)}
	}
	conn, asked, against := d.connect(ctx, subject, dsn)
	if against != nil {
		return []check{*against}
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return []check{{Subject: subject, Result: checkOK, Found: asked.text(dsn)}, d.records(ctx, "records", asked.Database)}
}

func (d *doctor) records(ctx context.Context, subject, where string) check {
	_, err := d.factory.ExistingRegistry(ctx)
	switch {
	case errors.Is(err, registry.ErrNotSetUp):
		return check{Subject: subject, Result: checkOK, Found: where + ", set up at first use"}
	case err != nil:
		return failure(subject, err)
	}
	return check{Subject: subject, Result: checkOK, Found: where + ", set up"}
}

// instance looks at a shared instance and what its administrator may do there.
func (d *doctor) instance(ctx context.Context, instance config.Instance) []check {
	subject := "instance " + instance.Name
	if instance.Local {
		running, where, err := d.localStack()
		if err != nil {
			return []check{failure(subject, err)}
		}
		if !running {
			return []check{{Subject: subject, Result: checkOK, Found: where}}
		}
	}
	dsn, err := d.factory.InstanceDSN(ctx, instance.Name)
	if err != nil {
		return []check{failure(subject, err)}
	}
	conn, asked, against := d.connect(ctx, subject, dsn)
	if against != nil {
		return []check{*against}
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	checks := []check{{Subject: subject, Result: checkOK, Found: asked.text(dsn)}}
	if asked.Recovery {
		checks = append(checks, check{Subject: subject, Result: checkFail, Found: "is a standby, which takes no writes", Do: "give the connection string of the primary"})
	}
	checks = append(checks, olderTools(subject, asked)...)
	findings, err := provision.CheckPrivileges(ctx, conn)
	if err != nil {
		return append(checks, failure(subject, err))
	}
	return append(checks, privilegeChecks(subject, asked.User, findings)...)
}

// localStack tells whether the local stack's PostgreSQL runs, and else in words that it will when it is needed.
func (d *doctor) localStack() (running bool, where string, err error) {
	there, err := d.factory.stackThere()
	if err != nil {
		return false, "", err
	}
	dir, err := d.factory.StackDir()
	if err != nil {
		return false, "", err
	}
	where = "a private PostgreSQL under " + dir + ", started when it is first needed"
	if there {
		where = "a private PostgreSQL under " + dir + ", stopped; started when it is needed"
	}
	running, err = runningPostgres(dir)
	return running, where, err
}

// neededPrivileges are how many of provision's findings nothing works without; the rest tell what is lost.
const neededPrivileges = 3

func privilegeChecks(subject, user string, findings []provision.Finding) []check {
	checks := []check{}
	for i, finding := range findings {
		if finding.Have {
			continue
		}
		c := check{Subject: subject, Result: checkWarn, Found: fmt.Sprintf("%s lacks %s: %s", user, finding.Privilege, finding.Without)}
		if i < neededPrivileges {
			c.Result, c.Do = checkFail, "have a superuser give it to "+user
		}
		checks = append(checks, c)
	}
	if len(checks) == 0 {
		checks = append(checks, check{Subject: subject, Result: checkOK, Found: user + " may do all that tenantctl can use"})
	}
	return checks
}

// olderTools finds client programs that can't dump a newer server.
func olderTools(subject string, asked server) []check {
	tools, err := postgres.FindTools()
	if err != nil || tools.Major >= asked.major() {
		return nil
	}
	return []check{{
		Subject: subject, Result: checkFail, Found: fmt.Sprintf("pg_dump %d can't read PostgreSQL %d", tools.Major, asked.major()),
		Do: fmt.Sprintf("install the client programs of PostgreSQL %d or newer", asked.major()),
	}}
}

// legacy looks at a client's own database.
func (d *doctor) legacy(ctx context.Context, name tenant.Name, reference config.Secret) []check {
	subject := "legacy of " + string(name)
	dsn, err := d.factory.resolve(reference)
	if err != nil {
		return []check{failure(subject, err)}
	}
	conn, asked, against := d.connect(ctx, subject, dsn)
	if against != nil {
		return []check{*against}
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	checks := []check{{Subject: subject, Result: checkOK, Found: asked.text(dsn) + ", wal_level " + asked.WALLevel}}
	if asked.Recovery {
		checks = append(checks, check{Subject: subject, Result: checkFail, Found: "is a standby, whose writes can't be stopped", Do: "give the connection string of the primary"})
	}
	return append(checks, olderTools(subject, asked)...)
}

// broker tries the broker's port.
func (d *doctor) broker(ctx context.Context) []check {
	reference, given := d.file.Broker()
	if !given {
		return []check{}
	}
	address, err := d.factory.resolve(reference)
	if err != nil {
		return []check{failure("broker", err)}
	}
	host, err := brokerHost(address)
	if err != nil {
		return []check{{Subject: "broker", Result: checkFail, Found: err.Error(), Do: "write it as amqp://user:password@host:5672/"}}
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return []check{{Subject: "broker", Result: checkFail, Found: err.Error(), Do: "check that RabbitMQ runs, and that this machine may reach its port"}}
	}
	_ = conn.Close()
	return []check{{Subject: "broker", Result: checkOK, Found: host + " answers"}}
}

const dialTimeout = 5 * time.Second

// brokerHost is host:port of an AMQP address. Errors don't repeat the address, which has a password.
func brokerHost(address string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Hostname() == "" {
		return "", errors.New("the broker's address can't be read")
	}
	port := parsed.Port()
	switch {
	case port != "":
	case parsed.Scheme == "amqps":
		port = "5671"
	default:
		port = "5672"
	}
	return net.JoinHostPort(parsed.Hostname(), port), nil
}

const (
	littleDisk = 1 << 30
	noDisk     = 100 << 20
)

// disk looks at where archives, credentials and the local stack lie.
func (d *doctor) disk(context.Context) []check {
	dirs := []string{filepath.Join(d.file.Dir(), ".tenantctl")}
	if d.needsLocal() {
		if dir, err := local.DefaultDir(d.factory.env, d.file.Dir()); err == nil {
			dirs = append(dirs, dir)
		}
	}
	var checks []check
	for _, dir := range dirs {
		checks = append(checks, diskOf(dir))
	}
	return checks
}

// diskOf asks for the room where a folder is or will be.
func diskOf(dir string) check {
	there := dir
	for {
		if _, err := os.Stat(there); err == nil || filepath.Dir(there) == there {
			break
		}
		there = filepath.Dir(there)
	}
	subject := "disk"
	var stat syscall.Statfs_t
	if err := syscall.Statfs(there, &stat); err != nil {
		return check{Subject: subject, Result: checkWarn, Found: fmt.Sprintf("ask for the room in %s: %s", dir, err)}
	}
	free := int64(stat.Bavail) * int64(stat.Bsize) //nolint:gosec,unconvert // types differ between systems
	c := check{Subject: subject, Result: checkOK, Found: fmt.Sprintf("%s free for %s", look.Bytes(free), dir)}
	switch {
	case free < noDisk:
		c.Result, c.Do = checkFail, "make room: archives and logs have none"
	case free < littleDisk:
		c.Result, c.Do = checkWarn, "make room before you archive or move anything large"
	}
	return c
}
