package upgrade

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const schema = "tenantctl_upgrade"

//go:embed sql/migrations/*.sql
var migrations embed.FS

// Store reads and writes the records of rollouts in the control database.
type Store struct {
	pool *pgxpool.Pool
}

// OpenStore brings the records' schema to this program's version. The pool stays the caller's.
func OpenStore(ctx context.Context, pool *pgxpool.Pool) (*Store, error) {
	if err := postgres.OpenRecords(ctx, pool, "rollouts", schema, migrations, "sql/migrations"); err != nil {
		return nil, err
	}
	return &Store{pool: pool}, nil
}

// ReadStore is OpenStore for commands that only read: it changes nothing. There being no records yet is tenant.ErrNotFound.
func ReadStore(ctx context.Context, pool *pgxpool.Pool) (*Store, error) {
	there, err := postgres.HasRecords(ctx, pool, "rollouts", "tenantctl_upgrade.judgement")
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("there was no rollout yet: %w", tenant.ErrNotFound)
	}
	return &Store{pool: pool}, nil
}

// create records a rollout and its members in one transaction; its id and times are filled in.
func (s *Store) create(ctx context.Context, r *Rollout, members []Outcome) error {
	targets, waves, err := encode(r.Targets, r.Waves)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `insert into tenantctl_upgrade.rollout (whole, targets, waves, actor, reason)
			values ($1, $2::jsonb, $3::jsonb, $4, $5) returning id, state, started_at, updated_at`,
			r.Whole, targets, waves, r.Actor, r.Reason).Scan(&r.ID, &r.State, &r.Started, &r.Updated)
		if postgres.Code(err) == "23505" {
			return fmt.Errorf("another rollout has just begun: %w", tenant.ErrLocked)
		}
		if err != nil {
			return fmt.Errorf("record the rollout: %w", err)
		}
		return addMembers(ctx, tx, r.ID, members)
	})
}

func encode(targets []Target, waves []Wave) (targetsJSON, wavesJSON string, err error) {
	t, err := json.Marshal(targets)
	if err == nil {
		var w []byte
		if w, err = json.Marshal(waves); err == nil {
			return string(t), string(w), nil
		}
	}
	return "", "", fmt.Errorf("encode the rollout: %w", err)
}

func addMembers(ctx context.Context, tx pgx.Tx, rollout string, members []Outcome) error {
	rows := make([][]any, len(members))
	for i, m := range members {
		before, err := json.Marshal(m.Before)
		if err != nil {
			return fmt.Errorf("encode where %s stands: %w", m.Tenant, err)
		}
		rows[i] = []any{rollout, string(m.Tenant), m.Instance, m.Schema, m.Ring, string(m.State), m.Services, m.Wave, before, string(m.Result), m.Note}
	}
	columns := []string{"rollout", "tenant", "instance", "schema", "ring", "state", "services", "wave", "before", "result", "note"}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{schema, "member"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return fmt.Errorf("record the rollout's tenants: %w", err)
	}
	return nil
}

// addWave records a wave of tenants that joined while the rollout ran.
func (s *Store) addWave(ctx context.Context, r *Rollout, members []Outcome) error {
	_, waves, err := encode(nil, r.Waves)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `update tenantctl_upgrade.rollout set waves = $2::jsonb, updated_at = now() where id = $1`, r.ID, waves); err != nil {
			return fmt.Errorf("record the late wave: %w", err)
		}
		return addMembers(ctx, tx, r.ID, members)
	})
}

// save records where a rollout stands.
func (s *Store) save(ctx context.Context, r *Rollout) error {
	_, waves, err := encode(nil, r.Waves)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `update tenantctl_upgrade.rollout set state = $2, wave = $3, waves = $4::jsonb, error = $5, updated_at = now() where id = $1`,
		r.ID, string(r.State), r.Wave, waves, r.Error)
	if postgres.Code(err) == "23505" {
		return tenant.WithHint(fmt.Errorf("rollout %s: another one isn't finished: %w", r.ID, tenant.ErrConflict), "`tenantctl rollouts` shows it")
	}
	if err != nil {
		return fmt.Errorf("record rollout %s as %s: %w", r.ID, r.State, err)
	}
	return nil
}

// saveOutcomes records what came of tenants.
func (s *Store) saveOutcomes(ctx context.Context, db postgres.Querier, rollout string, outcomes []Outcome) error {
	type row struct {
		Tenant   string   `json:"tenant"`
		Result   string   `json:"result"`
		Attempts int      `json:"attempts"`
		Failure  *Failure `json:"failure"`
		Note     string   `json:"note"`
		Elapsed  int64    `json:"elapsed_ms"`
	}
	rows := make([]row, len(outcomes))
	for i, o := range outcomes {
		rows[i] = row{string(o.Tenant), string(o.Result), o.Attempts, o.Failure, o.Note, o.Elapsed.Milliseconds()}
	}
	encoded, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("encode outcomes: %w", err)
	}
	_, err = db.Exec(ctx, `
		update tenantctl_upgrade.member as m
		set result = o.result, attempts = m.attempts + o.attempts, failure = o.failure, note = o.note, elapsed_ms = o.elapsed_ms, updated_at = now()
		from jsonb_to_recordset($2::jsonb) as o (tenant text, result text, attempts int, failure jsonb, note text, elapsed_ms bigint)
		where m.rollout = $1 and m.tenant = o.tenant`, rollout, string(encoded))
	if err != nil {
		return fmt.Errorf("record outcomes of rollout %s: %w", rollout, err)
	}
	return nil
}

func (s *Store) saveJudgement(ctx context.Context, rollout string, wave int, j Judgement) error {
	figures, err := json.Marshal(j.Figures)
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	_, err = s.pool.Exec(ctx, `insert into tenantctl_upgrade.judgement (rollout, wave, gate, verdict, message, figures, at) values ($1, $2, $3, $4, $5, $6::jsonb, $7)`,
		rollout, wave, j.Gate, string(j.Verdict), j.Message, string(figures), j.At)
	if err != nil {
		return fmt.Errorf("record the verdict of gate %s: %w", j.Gate, err)
	}
	return nil
}

const rolloutColumns = `select id, state, whole, targets, waves, wave, actor, reason, error, started_at as started, updated_at as updated from tenantctl_upgrade.rollout `

func (s *Store) rollout(ctx context.Context, where string, args ...any) (Rollout, error) {
	rows, err := s.pool.Query(ctx, rolloutColumns+where, args...)
	if err != nil {
		return Rollout{}, fmt.Errorf("read the rollout: %w", err)
	}
	r, err := pgx.CollectOneRow(rows, pgx.RowToStructByName[Rollout])
	if errors.Is(err, pgx.ErrNoRows) {
		return Rollout{}, tenant.ErrNotFound
	}
	if err != nil {
		return Rollout{}, fmt.Errorf("read the rollout: %w", err)
	}
	return r, nil
}

// Rollout is one rollout; tenant.ErrNotFound where there is none of that id.
func (s *Store) Rollout(ctx context.Context, id string) (Rollout, error) {
	r, err := s.rollout(ctx, `where id = $1`, id)
	if errors.Is(err, tenant.ErrNotFound) {
		return r, tenant.WithHint(fmt.Errorf("rollout %q: %w", id, err), "`tenantctl rollouts` shows the rollouts")
	}
	return r, err
}

// Last is the newest rollout; tenant.ErrNotFound where there was none.
func (s *Store) Last(ctx context.Context) (Rollout, error) {
	r, err := s.rollout(ctx, `order by number desc limit 1`)
	if errors.Is(err, tenant.ErrNotFound) {
		return r, tenant.WithHint(fmt.Errorf("there was no rollout yet: %w", err), "`tenantctl upgrade --all` begins one")
	}
	return r, err
}

// Rollouts lists the newest rollouts.
func (s *Store) Rollouts(ctx context.Context, limit int) ([]Rollout, error) {
	rows, err := s.pool.Query(ctx, rolloutColumns+`order by number desc limit $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("read rollouts: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Rollout])
	if err != nil {
		return nil, fmt.Errorf("read rollouts: %w", err)
	}
	return found, nil
}

// Outcomes lists a rollout's tenants, by wave and name.
func (s *Store) Outcomes(ctx context.Context, rollout string) ([]Outcome, error) {
	rows, err := s.pool.Query(ctx, `select tenant, instance, schema, ring, state, services, wave, before, result, attempts, failure, note, elapsed_ms
		from tenantctl_upgrade.member where rollout = $1 order by wave, tenant`, rollout)
	if err != nil {
		return nil, fmt.Errorf("read outcomes of rollout %s: %w", rollout, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Outcome, error) {
		var o Outcome
		var ms int64
		err := row.Scan(&o.Tenant, &o.Instance, &o.Schema, &o.Ring, &o.State, &o.Services, &o.Wave, &o.Before, &o.Result, &o.Attempts, &o.Failure, &o.Note, &ms)
		o.Elapsed = time.Duration(ms) * time.Millisecond
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("read outcomes of rollout %s: %w", rollout, err)
	}
	return found, nil
}

// Judgements lists what the gates said of a rollout's waves, in order.
func (s *Store) Judgements(ctx context.Context, rollout string) ([]WaveJudgement, error) {
	rows, err := s.pool.Query(ctx, `select wave, gate, verdict, message, figures, at from tenantctl_upgrade.judgement where rollout = $1 order by id`, rollout)
	if err != nil {
		return nil, fmt.Errorf("read what gates said of rollout %s: %w", rollout, err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (WaveJudgement, error) {
		var j WaveJudgement
		err := row.Scan(&j.Wave, &j.Gate, &j.Verdict, &j.Message, &j.Figures, &j.At)
		return j, err
	})
	if err != nil {
		return nil, fmt.Errorf("read what gates said of rollout %s: %w", rollout, err)
	}
	return found, nil
}

// WaveJudgement is a gate's verdict over a wave.
type WaveJudgement struct {
	Wave int `json:"wave"`
	Judgement
}

// Latest is the newest rollout that was to bring a version of a service.
type Latest struct {
	Version uint64
	Rollout string
	State   State
	Whole   bool // it was of the whole fleet
}

// LatestOf tells it of each service. A rollout in whose place another was begun isn't told of.
func (s *Store) LatestOf(ctx context.Context) (map[string]Latest, error) {
	latest := map[string]Latest{}
	var service string
	var one Latest
	var version int64
	err := postgres.Each(ctx, s.pool, `
		select distinct on (t.service) t.service, t.version, r.id, r.state, r.whole
		from tenantctl_upgrade.rollout as r, jsonb_to_recordset(r.targets) as t (service text, version bigint)
		where r.state <> 'superseded'
		order by t.service, r.number desc`, nil, []any{&service, &version, &one.Rollout, &one.State, &one.Whole}, func() error {
		one.Version = uint64(version) //nolint:gosec // was written from a version
		latest[service] = one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest rollouts: %w", err)
	}
	return latest, nil
}

// VersionsForNew are the versions that a new tenant gets of streams that aren't pinned: those of the last rollout of the whole
// fleet that ended, or, while a stream's first one is under way or was taken back, those that most tenants had before it. None: the
// newest files.
func (s *Store) VersionsForNew(ctx context.Context) (map[string]uint64, error) {
	versions := map[string]uint64{}
	var service string
	var version *int64
	err := postgres.Each(ctx, s.pool, `
		select distinct on (t.service) t.service, t.version
		from tenantctl_upgrade.rollout as r, jsonb_to_recordset(r.targets) as t (service text, version bigint)
		where r.whole and r.state in ('done', 'partial')
		order by t.service, r.number desc`, nil, []any{&service, &version}, func() error {
		versions[service] = uint64(*version) //nolint:gosec // was written from a version
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of rollouts: %w", err)
	}
	err = postgres.Each(ctx, s.pool, `
		select b.key, mode() within group (order by b.value::bigint)
		from tenantctl_upgrade.rollout as r join tenantctl_upgrade.member as m on m.rollout = r.id, jsonb_each_text(m.before) as b
		where r.state in ('running', 'stopped', 'paused', 'reverting', 'rolled-back')
		group by b.key`, nil, []any{&service, &version}, func() error {
		if _, known := versions[service]; !known && version != nil {
			versions[service] = uint64(*version) //nolint:gosec // was written from a version
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of the rollout under way: %w", err)
	}
	return versions, nil
}
