package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres"
)

// slot is one statement of a message: a question, or what stands around questions.
type slot struct {
	errand   int
	question int // its index among the errand's items; none around them
}

const none = -1

// lockTimeout is how long a question waits for whoever has locked its table.
const lockTimeout = time.Second

// message puts errands into one request to the server. Each is a transaction of its own, so that no lock outlives it.
func message(errands []errand) (sql string, slots []slot) {
	var text strings.Builder
	add := func(statement string, s slot) {
		text.WriteString(statement)
		text.WriteString(";\n")
		slots = append(slots, s)
	}
	for i, e := range errands {
		for _, statement := range e.settings() {
			add(statement, slot{i, none})
		}
		for j, item := range e.items {
			add(item.sql, slot{i, j})
		}
		add("commit", slot{i, none})
	}
	return text.String(), slots
}

// settings begin an errand's transaction. Rows that a policy would hide are an error, not left out.
func (e errand) settings() []string {
	path := make([]string, len(e.hands.Path))
	for i, schema := range e.hands.Path {
		path[i] = postgres.Ident(schema)
	}
	settings := []string{
		"begin read only", "set local search_path = " + strings.Join(path, ", "), "set local row_security = off",
		fmt.Sprintf("set local lock_timeout = %d", lockTimeout.Milliseconds()),
	}
	if e.hands.Role != "" {
		settings = append(settings, "set local role "+postgres.Ident(e.hands.Role))
	}
	return settings
}

// answer is what the server said to one question.
type answer struct {
	number  int64
	samples []string
}

// run asks errands until each question has its answer or its error.
func (a *asker) run(ctx context.Context, errands []errand) error {
	pooled, err := a.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	defer pooled.Release()
	conn := pooled.Conn().PgConn()
	for len(errands) > 0 {
		sql, slots := message(errands)
		answers, ended, err := send(ctx, conn, sql)
		for i, answer := range answers {
			at := questions(slots)[i]
			a.take(errands[at.errand], errands[at.errand].items[at.question], answer)
		}
		if err == nil {
			return nil
		}
		if errands, err = a.declined(ctx, conn, errands, slots, ended, err); err != nil {
			return err
		}
	}
	return nil
}

func questions(slots []slot) []slot {
	return slices.DeleteFunc(slices.Clone(slots), func(s slot) bool { return s.question == none })
}

// send sends one message; ended counts the statements that ended well. A failed transaction is rolled back.
func send(ctx context.Context, conn *pgconn.PgConn, sql string) (answers []answer, ended int, err error) {
	results := conn.Exec(ctx, sql)
	for results.NextResult() {
		read := results.ResultReader().Read()
		if read.Err != nil {
			continue // Close returns it
		}
		ended++
		if len(read.Rows) == 1 && len(read.Rows[0]) == 2 {
			answer, err := parseAnswer(read.Rows[0])
			if err != nil {
				return nil, ended, errors.Join(err, results.Close())
			}
			answers = append(answers, answer)
		}
	}
	if err := results.Close(); err != nil {
		if !conn.IsClosed() {
			_, rollback := conn.Exec(ctx, "rollback").ReadAll()
			if rollback != nil {
				return answers, ended, fmt.Errorf("roll back a question: %w", rollback)
			}
		}
		return answers, ended, err
	}
	return answers, ended, nil
}

func parseAnswer(row [][]byte) (answer, error) {
	var a answer
	var err error
	if a.number, err = strconv.ParseInt(string(row[0]), 10, 64); err != nil {
		return answer{}, fmt.Errorf("read the answer to a question: %w", err)
	}
	if err := json.Unmarshal(row[1], &a.samples); err != nil {
		return answer{}, fmt.Errorf("read the answer to a question: %w", err)
	}
	return a, nil
}

// declined judges the question that failed and returns the errands that are left. Errors of the session end the work.
func (a *asker) declined(ctx context.Context, conn *pgconn.PgConn, errands []errand, slots []slot, ended int, cause error) ([]errand, error) {
	code := postgres.Code(cause)
	if code == "" || ended >= len(slots) || fatal(code) {
		return nil, fmt.Errorf("ask tenants: %w", cause)
	}
	at := slots[ended]
	failed := errands[at.errand]
	switch {
	case ended == 0 && code == syntaxError && len(questions(slots)) > 1:
		// The server reads a whole message before it runs any of it: one question of many isn't SQL.
		return nil, a.oneByOne(ctx, errands)
	case ended == 0 && code == syntaxError:
		return errands[1:], nil
	case at.question == none:
		for _, item := range failed.items {
			a.unknown(failed, item, cause)
		}
		return errands[at.errand+1:], nil
	}
	if err := a.judge(ctx, conn, failed, failed.items[at.question], cause); err != nil {
		return nil, err
	}
	rest := errands[at.errand+1:]
	if items := failed.items[at.question+1:]; len(items) > 0 {
		failed.items = items
		rest = append([]errand{failed}, rest...)
	}
	return rest, nil
}

const syntaxError = "42601"

// fatal tells errors of the session from those of a question.
func fatal(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "53300"
}

func (a *asker) oneByOne(ctx context.Context, errands []errand) error {
	for _, e := range errands {
		for _, single := range e.items {
			alone := e
			alone.items = []item{single}
			if err := a.run(ctx, []errand{alone}); err != nil {
				return err
			}
		}
	}
	return nil
}

// judge says what a question's error means. Names that aren't there say nothing: an earlier file may make them, and a tenant may
// be dropped at any time.
func (a *asker) judge(ctx context.Context, conn *pgconn.PgConn, e errand, i item, cause error) error {
	code := postgres.Code(cause)
	asked, isCast := i.question.(casts)
	switch {
	case isCast && (strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")):
		counted := e
		i.sql = asked.recount(i.at)
		counted.items = []item{i}
		sql, _ := message([]errand{counted})
		answers, _, err := send(ctx, conn, sql)
		if err != nil && (postgres.Code(err) == "" || fatal(postgres.Code(err))) {
			return fmt.Errorf("ask tenant %s: %w", e.member.Tenant, err)
		}
		if err != nil || len(answers) != 1 || answers[0].number == 0 {
			a.add(e, i, Amount{More: true}, nil) // one there is, or the cast wouldn't have failed
			return nil
		}
		a.take(e, i, answers[0])
	case strings.HasPrefix(code, "42") && code != "42501", code == "3F000":
	default:
		a.unknown(e, i, cause)
	}
	return nil
}
