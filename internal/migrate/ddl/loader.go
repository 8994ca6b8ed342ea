package ddl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/tenant"
)

// Marks keeps which definitions have taken effect, where they take effect: a mark commits with its definition.
type Marks interface {
	// Done lists the marks of a section.
	Done(ctx context.Context, section string) (map[int]bool, error)
	// Hold proves within a transaction that we still have the right to write, until its end.
	Hold(ctx context.Context, tx pgx.Tx) error
	// Save records a mark within the definition's transaction.
	Save(ctx context.Context, tx pgx.Tx, section string, index int) error
}

// Loader runs definitions on the tenant's schemas.
type Loader struct {
	Dial  func(ctx context.Context) (*pgx.Conn, error)
	Marks Marks
	Role  string          // who is to own what is made
	Path  []string        // search path under which definitions are evaluated
	Jobs  int             // parallel sessions for Parallel
	Drain <-chan struct{} // once closed, begun definitions end and no other begins; nil never is
	// Observe is told of each unit of work done; nil is allowed. It may be called from several goroutines.
	Observe func(done, of int)
}

// batch is how many definitions one transaction takes: few enough for the server's lock table, enough that commits don't count.
const batch = 50

// Serial runs the definitions of a section in order.
func (l *Loader) Serial(ctx context.Context, section string, statements []Statement) error {
	return l.run(ctx, section, units(statements, batch), 1)
}

// Parallel runs definitions that don't depend on one another, first ones first.
func (l *Loader) Parallel(ctx context.Context, section string, statements []Statement) error {
	return l.run(ctx, section, units(statements, 1), l.Jobs)
}

// unit is what one transaction takes.
type unit struct {
	index      int
	statements []Statement
}

func units(statements []Statement, size int) []unit {
	var list []unit
	for part := range slices.Chunk(statements, size) {
		list = append(list, unit{len(list), part})
	}
	return list
}

func (l *Loader) run(ctx context.Context, section string, list []unit, jobs int) error {
	done, err := l.Marks.Done(ctx, section)
	if err != nil {
		return fmt.Errorf("read marks of %s: %w", section, err)
	}
	queue := make(chan unit, len(list))
	for _, u := range list {
		if !done[u.index] {
			queue <- u
		}
	}
	left := len(queue)
	close(queue)
	group, ctx := errgroup.WithContext(ctx)
	for range min(max(jobs, 1), left) {
		group.Go(func() error { return l.work(ctx, section, queue, len(list)) })
	}
	return group.Wait()
}

func (l *Loader) work(ctx context.Context, section string, queue <-chan unit, of int) error {
	conn, err := l.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for u := range queue {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.Drain:
			return tenant.ErrInterrupted
		default:
		}
		if err := l.withRetries(ctx, conn, section, u); err != nil {
			return err
		}
		if l.Observe != nil {
			l.Observe(u.index, of)
		}
	}
	return nil
}

const (
	retries    = 6
	retryPause = 100 * time.Millisecond
)

// withRetries runs one unit, again after a deadlock between two definitions that lock the same tables.
func (l *Loader) withRetries(ctx context.Context, conn *pgx.Conn, section string, u unit) error {
	for try := 1; ; try++ {
		err := l.apply(ctx, conn, section, u)
		if err == nil || try == retries || conn.IsClosed() || postgres.Classify(err) != postgres.Retryable {
			return err
		}
		select {
		case <-time.After(retryPause << try):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (l *Loader) apply(ctx context.Context, conn *pgx.Conn, section string, u unit) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := l.Marks.Hold(ctx, tx); err != nil {
		return err
	}
	if err := l.Marks.Save(ctx, tx, section, u.index); err != nil {
		return fmt.Errorf("mark %s: %w", section, err)
	}
	texts := make([]string, len(u.statements))
	for i, s := range u.statements {
		texts[i] = l.as(s)
	}
	if err := postgres.Script(ctx, tx, strings.Join(texts, ";\n")); err != nil {
		return l.blame(ctx, tx, u, err)
	}
	pause.Point(ctx, pause.DefinitionRan)
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit %s: %w", u.statements[0].Object(), err)
	}
	pause.Point(ctx, pause.DefinitionCommitted)
	return nil
}

// adminKinds are definitions that PostgreSQL allows to superusers only, whoever then owns them.
var adminKinds = map[string]bool{ //nolint:gochecknoglobals // a constant set
	"OPERATOR CLASS": true, "OPERATOR FAMILY": true, "TEXT SEARCH PARSER": true, "TEXT SEARCH TEMPLATE": true,
}

// adminWords say within definitions of a kind that only superusers may make these; whoever else has the word in them comes to no harm, since
// inspect refuses them all where the administrator is no superuser.
var adminWords = map[string][]string{ //nolint:gochecknoglobals // a constant set
	"FUNCTION": {"leakproof", "support"}, "AGGREGATE": {"internal"}, "CAST": {"without"},
}

// adminOnly tells definitions that only a superuser may run.
func adminOnly(s Statement) bool {
	if adminKinds[s.Kind] {
		return true
	}
	for token := range lexer.Tokens(s.SQL) {
		if slices.ContainsFunc(adminWords[s.Kind], token.Is) {
			return true
		}
	}
	return false
}

// as runs a definition as the role that is to own what it makes.
func (l *Loader) as(s Statement) string {
	settings := "set local search_path = " + pathList(l.Path) + "; set local check_function_bodies = off; "
	if l.Role == "" {
		return settings + "reset role; " + s.SQL
	}
	switch {
	case adminOnly(s) && s.Schema == "": // a cast, which nobody owns
		return settings + "reset role; " + s.SQL
	case adminOnly(s):
		return settings + "reset role; " + s.SQL + ";\n" + l.handOver(s.Schema)
	}
	return settings + "set local role " + postgres.Ident(l.Role) + ";\n" + s.SQL + ";\nreset role"
}

// handOver gives the role what an administrator just made in a schema.
func (l *Loader) handOver(schema string) string {
	return fmt.Sprintf(`do $hand_over$
		declare made record;
		begin
			for made in
				select i.type, i.identity from (
					select 'pg_proc'::regclass as class, oid from pg_proc where pronamespace = %[1]s::regnamespace and proowner = current_user::regrole
					union all select 'pg_opclass'::regclass, oid from pg_opclass where opcnamespace = %[1]s::regnamespace and opcowner = current_user::regrole
					union all select 'pg_opfamily'::regclass, oid from pg_opfamily where opfnamespace = %[1]s::regnamespace and opfowner = current_user::regrole
				) o cross join lateral pg_identify_object(o.class, o.oid, 0) i
			loop
				execute format('alter %%s %%s owner to %%I', made.type, made.identity, %[2]s);
			end loop;
		end $hand_over$`, postgres.Literal(postgres.Ident(schema)), postgres.Literal(l.Role))
}

func pathList(path []string) string {
	if len(path) == 0 {
		return "''"
	}
	quoted := make([]string, len(path))
	for i, schema := range path {
		quoted[i] = postgres.Ident(schema)
	}
	return strings.Join(quoted, ", ")
}

// blame finds which definition of a unit failed, by running them one at a time in a transaction that isn't kept.
func (l *Loader) blame(ctx context.Context, tx pgx.Tx, u unit, cause error) error {
	if len(u.statements) == 1 || postgres.Classify(cause) == postgres.Retryable {
		return fmt.Errorf("create %s: %w", u.statements[0].Object(), cause)
	}
	if err := tx.Rollback(ctx); err != nil {
		return fmt.Errorf("create one of %d definitions: %w", len(u.statements), cause)
	}
	trial, err := tx.Conn().Begin(ctx)
	if err != nil {
		return fmt.Errorf("create one of %d definitions: %w", len(u.statements), cause)
	}
	defer func() { _ = trial.Rollback(context.WithoutCancel(ctx)) }()
	for _, s := range u.statements {
		if err := postgres.Script(ctx, trial, l.as(s)); err != nil {
			return fmt.Errorf("create %s: %w", s.Object(), err)
		}
	}
	return fmt.Errorf("create one of %d definitions: %w", len(u.statements), cause)
}
