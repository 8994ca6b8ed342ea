package cli

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// traced has the statements of every session logged, where --log-level debug asks for it. Which it is, is known only when
// flags are read, so the question is put at each statement.
func (f *Factory) traced(ctx context.Context) context.Context {
	return postgres.WithTracer(ctx, sqlLog{f})
}

// sqlLog implements pgx.QueryTracer. Parameters aren't shown: they hold clients' data.
type sqlLog struct{ factory *Factory }

type tracedKey struct{}

type tracedQuery struct {
	sql   string
	began time.Time
}

// TraceQueryStart implements pgx.QueryTracer.
func (l sqlLog) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if s, _ := l.factory.Settings(); s.Level > slog.LevelDebug {
		return ctx
	}
	return context.WithValue(ctx, tracedKey{}, tracedQuery{sql: data.SQL, began: time.Now()})
}

// TraceQueryEnd implements pgx.QueryTracer.
func (l sqlLog) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	query, ok := ctx.Value(tracedKey{}).(tracedQuery)
	if !ok {
		return
	}
	attrs := []any{
		"database", conn.Config().Database, "sql", l.factory.mask(shownSQL(query.sql)),
		"duration", time.Since(query.began).Round(time.Microsecond), "tag", data.CommandTag.String(),
	}
	if data.Err != nil {
		attrs = append(attrs, "error", data.Err.Error())
	}
	l.factory.Log().Debug("sql", attrs...)
}

var (
	spaces      = regexp.MustCompile(`\s+`)
	sqlPassword = regexp.MustCompile(`(?i)(password\s+)(E?'(?:[^']|'')*')`)
)

const maxShownLength = 2000

// shownSQL is a statement on one line, without passwords that it sets.
func shownSQL(sql string) string {
	sql = spaces.ReplaceAllString(strings.TrimSpace(sql), " ")
	sql = sqlPassword.ReplaceAllString(sql, "${1}'***'")
	if len(sql) > maxShownLength {
		sql = sql[:maxShownLength] + " ..."
	}
	return sql
}
