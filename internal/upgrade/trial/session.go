package trial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// session is the one transaction of a trial, in a session that is closed after it: prepared statements and session locks of files
// end with it.
type session struct {
	trial    *trial
	instance upgrade.Instance
	member   upgrade.Member
	conn     *pgx.Conn

	began   time.Time
	seen    observer
	skipped skipped
	stopped string // why nothing further is tried
}

const (
	lookTimeout    = time.Second // for locks, outside the files
	cleanupTimeout = 5 * time.Second
	idleTimeout    = "10s"
)

func newSession(ctx context.Context, instance upgrade.Instance, m upgrade.Member, t *trial) (*session, error) {
	if err := instance.Prepare(ctx); err != nil {
		return nil, fmt.Errorf("instance %q: %w", instance.Name, err)
	}
	conn, err := postgres.Connect(ctx, instance.DSN, postgres.Options{
		Application: "trial", LockTimeout: lookTimeout,
		// A trial whose process hangs must not keep its locks.
		Settings: map[string]string{"idle_in_transaction_session_timeout": idleTimeout},
	})
	if err != nil {
		return nil, err
	}
	return &session{trial: t, instance: instance, member: m, conn: conn, seen: newObserver()}, nil
}

func (s *session) database() string { return s.conn.Config().Database }

func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if !s.conn.IsClosed() {
		_ = postgres.Script(ctx, s.conn, "rollback; select pg_advisory_unlock_all()") // closing does so as well, a moment later
	}
	_ = s.conn.Close(ctx)
}

// try runs every file in one transaction, takes it back and looks what it was that was locked.
func (s *session) try(ctx context.Context, report *Report) error {
	before, err := s.sequences(ctx)
	if err != nil {
		return err
	}
	if err := postgres.Script(ctx, s.conn, "begin"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	s.began = time.Now()
	for _, stretch := range s.trial.cohort.Stretches {
		for _, file := range stretch.Files() {
			tried, err := s.file(ctx, stretch.Stream.Service, file)
			if err != nil {
				return err
			}
			report.Files = append(report.Files, tried)
		}
	}
	if err := postgres.Script(ctx, s.conn, "rollback"); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	report.Held = time.Since(s.began)
	if err := s.seen.resolve(ctx, s.conn, report.Files); err != nil {
		return err
	}
	after, err := s.sequences(ctx)
	report.Sequences = moved(before, after)
	return err
}

// file tries one file, unless it can't be tried.
func (s *session) file(ctx context.Context, service string, file stream.File) (File, error) {
	tried := File{Service: service, Path: file.Up.Path, Version: file.Version}
	for _, statement := range file.Up.Statements() {
		tried.Statements = append(tried.Statements, Statement{Line: statement.Line, SQL: statement.Text})
	}
	tried.Note = s.refused(file.Up)
	if tried.Note != "" {
		tried.Result = NotTried
		s.skipped = s.skipped.with(tried)
		return tried, nil
	}
	if err := postgres.Script(ctx, s.conn, "savepoint tenantctl_file"); err != nil {
		return tried, fmt.Errorf("begin %s: %w", tried.Path, err)
	}
	began := time.Now()
	cause := s.run(ctx, service, file, &tried)
	tried.Elapsed = time.Since(began)
	if cause == nil {
		tried.Result = Passed
		return tried, nil
	}
	var pgErr *pgconn.PgError
	if ctx.Err() != nil || !errors.As(cause, &pgErr) || s.conn.IsClosed() {
		return tried, cause
	}
	s.judge(&tried, cause)
	if err := postgres.Script(ctx, s.conn, "rollback to savepoint tenantctl_file; reset role"); err != nil {
		return tried, fmt.Errorf("take %s back: %w", tried.Path, err)
	}
	if tried.Result == Locked { // asked as the administrator, who sees more of other sessions than a service's owner
		tried.Failure.Blockers = upgrade.Blockers(ctx, s.conn, s.member.Schema)
	}
	return tried, nil
}

// refused says why a file isn't tried; "" where it is.
func (s *session) refused(script stream.Script) string {
	switch {
	case s.stopped != "":
		return s.stopped
	case script.Mode == stream.Autocommit:
		return "it can't be in a transaction, so it can't be taken back"
	case s.left() <= 0:
		return fmt.Sprintf("the tenant was locked for %s already, which is as long as it may be while it is in service", s.trial.Hold)
	}
	if what := lasting(script); what != "" {
		return fmt.Sprintf("it has %s, which a rollback doesn't take back", what)
	}
	return ""
}

// left is how long the tenant may still be locked.
func (s *session) left() time.Duration {
	if s.member.State == tenant.Suspended {
		return time.Hour
	}
	return s.trial.Hold - time.Since(s.began)
}

// run runs a file as Apply would up to its version row.
func (s *session) run(ctx context.Context, service string, file stream.File, tried *File) error {
	hands, err := s.instance.Hands(s.member, service)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, hands, file.Up, tried.Path); err != nil {
		return err
	}
	s.seen.next()
	for i := range tried.Statements {
		if err := s.statement(ctx, &tried.Statements[i]); err != nil {
			return file.Up.Located(service, i, err)
		}
	}
	return s.end(ctx, hands, file.Up)
}

// settle sets what Apply sets; what an earlier file set goes.
func (s *session) settle(ctx context.Context, hands upgrade.Hands, script stream.Script, path string) error {
	target := stream.Target{
		Schema: s.member.Schema, Role: hands.Role, Path: hands.Path,
		LockTimeout: s.trial.LockTimeout, StatementTimeout: min(s.trial.StatementTimeout, s.left()),
	}
	if err := postgres.Script(ctx, s.conn, "reset role; reset all; "+target.Settings(script)); err != nil {
		return fmt.Errorf("prepare %s: %w", path, err)
	}
	var lands bool
	if err := s.conn.QueryRow(ctx, "select current_schema() is not distinct from $1", s.member.Schema).Scan(&lands); err != nil {
		return fmt.Errorf("prepare %s: %w", path, err)
	}
	if !lands {
		return tenant.WithHint(fmt.Errorf("unqualified names would not land in schema %q: %w", s.member.Schema, tenant.ErrConflict),
			fmt.Sprintf("check that schema %q exists and that role %q may use and create in it", s.member.Schema, hands.Role))
	}
	return nil
}

// statement runs one statement and looks what it did.
func (s *session) statement(ctx context.Context, statement *Statement) error {
	if left := s.left(); left < s.trial.StatementTimeout {
		if err := postgres.Script(ctx, s.conn, fmt.Sprintf("set local statement_timeout = %d", max(left.Milliseconds(), 1))); err != nil {
			return err
		}
	}
	began := time.Now()
	err := postgres.Script(ctx, s.conn, statement.SQL)
	statement.Elapsed, statement.Tried = time.Since(began), true
	if err != nil {
		return err
	}
	return s.seen.look(ctx, s.conn, statement)
}

// end does what the end of a file's transaction would: checks that were put off, privileges, and an end to temporary tables.
func (s *session) end(ctx context.Context, hands upgrade.Hands, script stream.Script) error {
	if script.Creates && hands.Grants != "" {
		role := "reset role"
		if hands.Role != "" {
			role = "set local role " + postgres.Ident(hands.Role)
		}
		if err := postgres.Script(ctx, s.conn, role+"; "+hands.Grants); err != nil {
			return fmt.Errorf("grant privileges on what it made: %w", err)
		}
	}
	if err := postgres.Script(ctx, s.conn, "set constraints all immediate"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := s.putOff(ctx); err != nil {
		return err
	}
	if script.Leaves() {
		return postgres.Script(ctx, s.conn, "reset role; discard temp; deallocate all")
	}
	return nil
}

// putOff lets constraints be checked at the end of the next file that would have been checked there.
func (s *session) putOff(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, `select k.conname::text from pg_catalog.pg_constraint k join pg_catalog.pg_namespace n on n.oid = k.connamespace
		where n.nspname = $1 and k.condeferred`, s.member.Schema)
	if err != nil {
		return fmt.Errorf("look for deferred constraints: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return err
	}
	for i, name := range names {
		names[i] = postgres.Ident(s.member.Schema, name)
	}
	return postgres.Script(ctx, s.conn, "set constraints "+strings.Join(names, ", ")+" deferred")
}

// judge says what an error means for the file, and whether others may be tried after it.
func (s *session) judge(tried *File, cause error) {
	tried.Failure = failure(tried.Service, tried.Path, cause)
	switch code := tried.Failure.Code; {
	case code == "55P03":
		tried.Result, tried.Note = Locked, fmt.Sprintf("somebody held a lock that it needs for longer than the %s that a file may wait in all", s.trial.LockTimeout)
	case code == "57014":
		tried.Result, tried.Note = TimedOut, fmt.Sprintf("it ran longer than the %s that a statement, or the %s that the tenant, is given in a trial", s.trial.StatementTimeout, s.trial.Hold)
	case code == "55P04":
		tried.Result, tried.Note = NotTried, "it uses a value of an enum that an earlier file adds, which takes effect when that one is committed"
	case s.skipped.explains(code, tried.Failure.Statement) != "":
		tried.Result = NotTried
		tried.Note = fmt.Sprintf("it may depend on %s, which wasn't tried: %s", s.skipped.explains(code, tried.Failure.Statement), tried.Failure.Message)
	default:
		tried.Result = Failed
	}
	if tried.Result == NotTried {
		tried.Failure = nil
		s.skipped = s.skipped.with(*tried)
		return
	}
	s.stopped = fmt.Sprintf("%s comes before it, and %s", tried.Path, map[Result]string{
		Failed: "fails", Locked: "was kept from running", TimedOut: "ran too long",
	}[tried.Result])
}

// failure tells where a file failed, in the server's words without what quotes a row.
func failure(service, path string, cause error) *upgrade.Failure {
	f := &upgrade.Failure{Service: service, File: path, Code: postgres.Code(cause), Message: cause.Error()}
	var located *stream.Error
	if errors.As(cause, &located) {
		f.Line, f.Statement = located.Line, located.Statement
	}
	var pgErr *pgconn.PgError
	if errors.As(cause, &pgErr) {
		f.Message = unquoted(pgErr)
		if located == nil {
			f.Message = strings.TrimSuffix(cause.Error(), pgErr.Error()) + f.Message
		}
	}
	return f
}

// unquoted is the server's sentence; where that is about a value, without the value.
func unquoted(err *pgconn.PgError) string {
	if !strings.HasPrefix(err.Code, "22") {
		return err.Message
	}
	parts := strings.Split(err.Message, `"`)
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "…"
	}
	return strings.Join(parts, `"`)
}
