package operator

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const schema = "tenantctl_operator"

//go:embed sql/migrations/*.sql
var migrations embed.FS

// Store reads and writes the operators' records in the control database.
type Store struct {
	pool *pgxpool.Pool
}

// OpenStore brings the records' schema to this program's version. The pool stays the caller's.
func OpenStore(ctx context.Context, pool *pgxpool.Pool) (*Store, error) {
	if err := postgres.OpenRecords(ctx, pool, "operators", schema, migrations, "sql/migrations"); err != nil {
		return nil, err
	}
	return &Store{pool: pool}, nil
}

// Replica is a process that runs the operator.
type Replica struct {
	ID      string    `json:"id"`
	Holder  string    `json:"holder"` // user@host pid N
	File    string    `json:"file"`
	Hash    string    `json:"hash"`              // of the file that it has; empty while it has none
	Trouble string    `json:"trouble,omitempty"` // why what lies there now can't be read: it goes on with what it had
	Leads   bool      `json:"leads"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"`
}

// replicaAlive is how old a replica's heartbeat may be for it to count as running. Its jobs are given to others then; one that
// was only slow finds the tenant's lease taken, or keeps it.
const replicaAlive = 5 * time.Second

// beat is a replica's heartbeat. It gives the database's time.
func (s *Store) beat(ctx context.Context, r Replica) (now time.Time, err error) {
	err = s.pool.QueryRow(ctx, `
		insert into tenantctl_operator.replica (id, holder, file, hash, trouble, leads) values ($1, $2, $3, $4, $5, $6)
		on conflict (id) do update set hash = excluded.hash, trouble = excluded.trouble, leads = excluded.leads, heartbeat = now()
		returning clock_timestamp()`,
		r.ID, r.Holder, r.File, r.Hash, r.Trouble, r.Leads).Scan(&now)
	if err != nil {
		return now, fmt.Errorf("heartbeat of the operator: %w", err)
	}
	return now, nil
}

// leave takes a replica that ends off the list, and those that died a day ago.
func (s *Store) leave(ctx context.Context, id string) error {
	_, err := s.pool.Exec(ctx, `delete from tenantctl_operator.replica where id = $1 or heartbeat < now() - interval '1 day'`, id)
	if err != nil {
		return fmt.Errorf("take the operator off the list: %w", err)
	}
	return nil
}

// Replicas lists those that run, the oldest first.
func (s *Store) Replicas(ctx context.Context) ([]Replica, error) {
	rows, err := s.pool.Query(ctx, `
		select id, holder, file, hash, trouble, leads, started_at as started, heartbeat as seen from tenantctl_operator.replica
		where heartbeat > now() - make_interval(secs => $1) order by started_at, id`, replicaAlive.Seconds())
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	replicas, err := pgx.CollectRows(rows, pgx.RowToStructByName[Replica])
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	for i := range replicas {
		replicas[i].Started, replicas[i].Seen = replicas[i].Started.UTC(), replicas[i].Seen.UTC()
	}
	return replicas, nil
}

// Generation is a content of tenants.yaml that a leading replica found.
type Generation struct {
	Number     int64         `json:"number"`
	Hash       string        `json:"hash"`
	File       string        `json:"file"`
	Actor      string        `json:"actor"`
	Held       string        `json:"held,omitempty"` // why nothing is done for it yet
	Removals   []tenant.Name `json:"removals,omitempty"`
	AcceptedBy string        `json:"acceptedBy,omitempty"`
	At         time.Time     `json:"at"`
	Tenants    []tenant.Name `json:"-"` // that it declares
}

// Token is what accepts a held generation.
func (g Generation) Token() string { return short(g.Hash) }

const shortHash = 12

func short(hash string) string { return hash[:min(shortHash, len(hash))] }

// Generation is the newest one; its zero value where there is none.
func (s *Store) Generation(ctx context.Context) (Generation, error) {
	return s.generation(ctx, "true")
}

// accepted is the newest generation that went ahead.
func (s *Store) accepted(ctx context.Context) (Generation, error) {
	return s.generation(ctx, "held = ''")
}

func (s *Store) generation(ctx context.Context, where string) (Generation, error) {
	rows, err := s.pool.Query(ctx, `select number, hash, file, actor, held, removals, accepted_by, at, tenants
		from tenantctl_operator.generation where `+where+` order by number desc limit 1`)
	if err != nil {
		return Generation{}, fmt.Errorf("read the generation: %w", err)
	}
	g, err := pgx.CollectOneRow(rows, pgx.RowToStructByName[Generation])
	if errors.Is(err, pgx.ErrNoRows) {
		return Generation{}, nil
	}
	if err != nil {
		return g, fmt.Errorf("read the generation: %w", err)
	}
	g.At = g.At.UTC()
	return g, nil
}

// keptGenerations is how many are kept, for people.
const keptGenerations = 50

func texts(names []tenant.Name) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = string(name)
	}
	return list
}

// publish records the next generation; tenant.ErrConflict where another process did.
func (s *Store) publish(ctx context.Context, g Generation) error {
	_, err := s.pool.Exec(ctx, `
		with old as (
			delete from tenantctl_operator.generation where number <= $1::bigint - $8::bigint
		)
		insert into tenantctl_operator.generation (number, hash, file, actor, held, removals, tenants, accepted_by) values ($1::bigint, $2, $3, $4, $5, $6, $7, '')`,
		g.Number, g.Hash, g.File, g.Actor, g.Held, texts(g.Removals), texts(g.Tenants), keptGenerations)
	if postgres.Code(err) == "23505" {
		return fmt.Errorf("another operator just published generation %d: %w", g.Number, tenant.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("publish the generation: %w", err)
	}
	return nil
}

// Accept lets a held generation go ahead. Token is its own; any other means that the file has changed since.
func (s *Store) Accept(ctx context.Context, token, actor string) (Generation, error) {
	g, err := s.Generation(ctx)
	if err != nil {
		return g, err
	}
	if g.Held == "" {
		return g, tenant.WithHint(fmt.Errorf("no change waits to be accepted: %w", tenant.ErrNotFound), "`tenantctl operator status` shows what operators do")
	}
	if g.Token() != token {
		return g, tenant.WithHint(fmt.Errorf("what waits to be accepted is %s, not %s: %w", g.Token(), token, tenant.ErrConflict),
			"look at it first (`tenantctl operator status`), then accept that")
	}
	tag, err := s.pool.Exec(ctx, `update tenantctl_operator.generation set held = '', accepted_by = $2 where number = $1 and held <> ''`, g.Number, actor)
	if err != nil {
		return g, fmt.Errorf("accept the generation: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return g, fmt.Errorf("somebody else was faster: %w", tenant.ErrConflict)
	}
	g.Held, g.AcceptedBy = "", actor
	return g, nil
}

// Result is what came of a tenant.
type Result string

// The results.
const (
	Settled Result = "settled" // as declared
	Failed  Result = "failed"  // is tried again
	Refused Result = "refused" // can't work until the declaration changes
	Waiting Result = "waiting" // for its time: a window, a retention
)

// Task is a kind of work.
type Task string

// The tasks.
const (
	TaskTenant  Task = "tenant"  // a tenant's home and state
	TaskRemove  Task = "remove"  // archive it, or remove it for good
	TaskMove    Task = "move"    // its legacy database
	TaskRollout Task = "rollout" // versions, of the whole fleet
)

// Record is what came of a task.
type Record struct {
	Tenant   tenant.Name `json:"tenant,omitempty"`
	Task     Task        `json:"task"`
	Declared string      `json:"declared"` // digest of the declaration
	Result   Result      `json:"result"`
	Message  string      `json:"message,omitempty"`
	Attempts int         `json:"attempts,omitempty"` // that failed, one after the other
	Since    time.Time   `json:"since"`              // when this declaration was first worked on
	At       time.Time   `json:"at"`
	RetryAt  *time.Time  `json:"retryAt,omitempty"`
}

// key finds a record.
type key struct {
	tenant tenant.Name
	task   Task
}

// Records are those of the fleet, or of the tenants named.
func (s *Store) Records(ctx context.Context, names ...tenant.Name) (map[key]Record, error) {
	var only []string
	if len(names) > 0 {
		only = texts(names)
	}
	rows, err := s.pool.Query(ctx, `select tenant, task, declared, result, message, attempts, since, at, retry_at from tenantctl_operator.task
		where $1::text[] is null or tenant = any ($1)`, only)
	if err != nil {
		return nil, fmt.Errorf("read the operators' records: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Record])
	if err != nil {
		return nil, fmt.Errorf("read the operators' records: %w", err)
	}
	records := make(map[key]Record, len(list))
	for _, r := range list {
		r.Since, r.At = r.Since.UTC(), r.At.UTC()
		records[key{r.Tenant, r.Task}] = r
	}
	return records, nil
}

// outcome is what came of a task, and how long it is left alone.
type outcome struct {
	Record
	pause time.Duration
}

// A tenant is brought about or removed: what came of the one is no news any more once the other was begun.
const saveSQL = `
	with other as (
		delete from tenantctl_operator.task where tenant = $1 and task <> $2 and array[task, $2::text] <@ array['tenant', 'remove']
	)
	insert into tenantctl_operator.task as t (tenant, task, declared, result, message, attempts, retry_at)
	values ($1, $2, $3, $4, $5, $6, case when $7::float8 > 0 then now() + make_interval(secs => $7) end)
	on conflict (tenant, task) do update set declared = excluded.declared, result = excluded.result, message = excluded.message,
		attempts = excluded.attempts, retry_at = excluded.retry_at, at = now(),
		since = case when t.declared = excluded.declared then t.since else now() end`

// save records what came of tasks. The next try is after the pause, by the server's clock.
func (s *Store) save(ctx context.Context, outcomes ...outcome) error {
	batch := &pgx.Batch{}
	for _, r := range outcomes {
		batch.Queue(saveSQL, string(r.Tenant), string(r.Task), r.Declared, string(r.Result), r.Message, r.Attempts, r.pause.Seconds())
	}
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("record what came of the work: %w", err)
	}
	return nil
}
