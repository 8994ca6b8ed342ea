package trial

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// Options bound a trial. The zero value is what a tenant in service can bear.
type Options struct {
	// LockTimeout bounds the waits for locks of each file; 0 means 100 ms, with which a rollout begins.
	LockTimeout time.Duration
	// StatementTimeout bounds each statement; 0 means 5 s.
	StatementTimeout time.Duration
	// Hold is how long a tenant that is in service may be locked; 0 means 10 s. A suspended one may be for as long as it takes.
	Hold time.Duration
	// Parallel is how many tenants of an instance a rollout upgrades at once; 0 means 1.
	Parallel int
}

func (o Options) withDefaults() Options {
	const (
		lock      = 100 * time.Millisecond
		statement = 5 * time.Second
		hold      = 10 * time.Second
	)
	o.LockTimeout = cmp.Or(o.LockTimeout, lock)
	o.StatementTimeout = cmp.Or(o.StatementTimeout, statement)
	o.Hold = cmp.Or(o.Hold, hold)
	o.Parallel = cmp.Or(o.Parallel, 1)
	return o
}

// Report is what a trial showed.
type Report struct {
	Cohort  string         `json:"cohort"` // which files, such as "core 3 to 5"
	Tenants int            `json:"tenants"`
	Tried   upgrade.Member `json:"tried"` // the tenant that stood for all
	Why     string         `json:"why"`   // it was chosen
	Files   []File         `json:"files"`
	// Sequences gave out values in the trial, or while it lasted, which a rollback doesn't take back.
	Sequences []Sequence    `json:"sequences,omitempty"`
	Held      time.Duration `json:"held"` // how long the transaction lasted
	Estimate  Estimate      `json:"estimate"`
}

// Result is what came of a file.
type Result string

// The results of files.
const (
	Passed   Result = "passed"
	Failed   Result = "failed"    // its data or schema doesn't allow it
	Locked   Result = "locked"    // somebody held a lock that it needs; trying again may work
	TimedOut Result = "timed-out" // it ran longer than a trial may
	NotTried Result = "not-tried"
)

// File is one file of the cohort.
type File struct {
	Service    string           `json:"service"`
	Path       string           `json:"path"`
	Version    uint64           `json:"version"`
	Result     Result           `json:"result"`
	Note       string           `json:"note,omitempty"` // why it wasn't tried, or what its result means
	Statements []Statement      `json:"statements"`
	Locks      []Lock           `json:"locks,omitempty"` // the strongest on each table that was there before
	Elapsed    time.Duration    `json:"elapsed"`
	Failure    *upgrade.Failure `json:"failure,omitempty"`
}

// Statement is one statement of a file.
type Statement struct {
	Line    int           `json:"line"`
	SQL     string        `json:"sql"`
	Tried   bool          `json:"tried"`
	Elapsed time.Duration `json:"elapsed"`
	Locks   []Lock        `json:"locks,omitempty"` // that it added to those of the statements before it
}

// Lock is what a statement did to a table that was there before.
type Lock struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Mode   string `json:"mode"`           // such as AccessExclusiveLock
	Held   bool   `json:"held,omitempty"` // since an earlier file: whether this one takes it too can't be told
	Bytes  int64  `json:"bytes"`          // of the table with its indexes
	Rows   int64  `json:"rows"`           // as the server estimates them
	// Rewritten and Scanned tell that the statement wrote the whole table anew, or read it: its time grows with the table.
	Rewritten bool `json:"rewritten,omitempty"`
	Scanned   bool `json:"scanned,omitempty"`
}

// Sequence is one whose value moved.
type Sequence struct {
	Name   string `json:"name"`
	Before *int64 `json:"before"` // null: never used
	After  *int64 `json:"after"`
}

// Back tells that a sequence stands before where it stood: it may give values out twice.
func (s Sequence) Back() bool {
	return s.Before != nil && (s.After == nil || *s.After < *s.Before)
}

// Run tries the files of a cohort on one of its tenants. What a file meets is in the report, never an error; an error is a trial
// that couldn't be held. It wraps tenant.ErrLocked where all candidates are being migrated.
func Run(ctx context.Context, open func(ctx context.Context, name string) (upgrade.Instance, error), cohort upgrade.Cohort, opts Options) (Report, error) {
	t := &trial{open: open, cohort: cohort, Options: opts.withDefaults()}
	report := Report{Cohort: cohort.String(), Tenants: len(cohort.Members)}
	candidates, err := t.candidates(ctx)
	if err != nil {
		return report, err
	}
	session, chosen, err := t.begin(ctx, candidates)
	if err != nil {
		return report, err
	}
	report.Tried, report.Why = chosen.Member, chosen.why()
	err = session.try(ctx, &report)
	session.close(ctx)
	if err != nil {
		return report, fmt.Errorf("try the files of %s on tenant %s: %w", cohort, chosen.Tenant, err)
	}
	report.Estimate, err = t.estimate(ctx, report)
	return report, err
}

type trial struct {
	open   func(ctx context.Context, name string) (upgrade.Instance, error)
	cohort upgrade.Cohort
	Options
}

// mostCandidates is how many tenants are asked for before it is said that all are at work.
const mostCandidates = 5

// begin opens a session and locks the first candidate that nobody else migrates.
func (t *trial) begin(ctx context.Context, candidates []candidate) (*session, candidate, error) {
	for _, c := range candidates[:min(len(candidates), mostCandidates)] {
		instance, err := t.open(ctx, c.Instance)
		if err != nil {
			return nil, c, err
		}
		s, err := newSession(ctx, instance, c.Member, t)
		if err != nil {
			return nil, c, fmt.Errorf("instance %q: %w", c.Instance, err)
		}
		got, err := s.lock(ctx)
		if err == nil && got {
			err = s.check(ctx)
		}
		if err == nil && got {
			return s, c, nil
		}
		s.close(ctx)
		if err != nil {
			return nil, c, fmt.Errorf("tenant %s: %w", c.Tenant, err)
		}
	}
	return nil, candidate{}, tenant.WithHint(fmt.Errorf("%s: every tenant that a trial could be held on is being migrated: %w", t.cohort, tenant.ErrLocked),
		"wait for the rollout that is under way (`tenantctl status`), then run the command again")
}

// lock takes the locks of whoever migrates the tenant, without waiting. They end with the session.
func (s *session) lock(ctx context.Context) (bool, error) {
	for _, stretch := range s.trial.cohort.Stretches {
		ids, err := stretch.Stream.Locks(s.database(), s.member.Schema)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			var got bool
			if err := s.conn.QueryRow(ctx, "select pg_try_advisory_lock("+id+")").Scan(&got); err != nil || !got {
				return false, err
			}
		}
	}
	return true, nil
}

// check makes sure that the tenant stands where its cohort does.
func (s *session) check(ctx context.Context) error {
	for _, stretch := range s.trial.cohort.Stretches {
		stands, err := stream.Stands(ctx, s.conn, stretch.Stream, []string{s.member.Schema})
		if err != nil {
			return err
		}
		at := stands[s.member.Schema].Version
		same := at == nil && stretch.From == nil || at != nil && stretch.From != nil && at.Number == *stretch.From && !at.Dirty
		if !same {
			return tenant.WithHint(fmt.Errorf("it no longer stands where it was seen in %s: %w", stretch.Stream.Service, tenant.ErrConflict), "run the command again")
		}
	}
	return nil
}
