package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/config"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Options say what an operator looks after and how.
type Options struct {
	Records *registry.Registry
	Control string // DSN of the control database
	File    string // that is watched
	// Load reads the file; Open makes a workshop of what was read.
	Load func() (*config.File, error)
	Open func(*config.File) Workshop
	// Workers is how many tenants this replica works on at once, Moves how many moves.
	Workers, Moves int
	// Resync is how often declarations and records are compared although nothing happened, Heal how often instances are looked at.
	Resync, Heal time.Duration
	// RemovalShare is the share of the fleet, in percent, above which a change that takes tenants' service away waits to be accepted.
	RemovalShare int
	// DiffersAfter is how long a replica's file may differ from what the fleet follows before that is told.
	DiffersAfter time.Duration
	Sinks        []Sink
	Clock        *Clock // that the sinks go by, too
	Actor        string
	Log          *slog.Logger
	Trace        *telemetry.Tracer // nil: its spans are ids in the log and nothing else
}

// Operator is one replica.
type Operator struct {
	Options
	Store   *Store
	Metrics *Metrics
	id      string
	pool    *pgxpool.Pool
	queue   *queue
	drain   chan struct{} // closed when the replica is about to end
	wake    chan struct{} // the leader looks at the fleet
	closing sync.WaitGroup

	mu       sync.Mutex
	current  *loaded // nil before the first good file
	trouble  string  // why what lies there now can't be read
	agreed   string  // the newest generation's hash that was ours
	differs  time.Time
	told     string // the pair of hashes whose difference was told
	leads    bool
	holds    *registry.Holds // nil where their session is to be opened
	underway map[tenant.Name]bool
}

const (
	queueConns = 8
	leaveTime  = 5 * time.Second
)

// New opens the records and the queue. Run must be called, which closes them.
func New(ctx context.Context, opts Options) (*Operator, error) {
	pool, err := postgres.Open(ctx, opts.Control, postgres.Options{Application: "operator", MaxConns: queueConns})
	if err != nil {
		return nil, fmt.Errorf("control database: %w", err)
	}
	o := &Operator{
		Options: opts, Metrics: newMetrics(), id: rand.Text(), pool: pool, drain: make(chan struct{}), wake: make(chan struct{}, 1),
		underway: map[tenant.Name]bool{},
	}
	if o.Store, err = OpenStore(ctx, pool); err == nil {
		o.queue, err = openQueue(ctx, pool, o.id, opts.Clock, pace{Tenants: opts.Workers, Removals: 1, Moves: opts.Moves}, workers{o.work, o.welcomeShare}, AtLeast(opts.Log, slog.LevelError))
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return o, nil
}

// AtLeast leaves of a log what is of a level or worse.
func AtLeast(log *slog.Logger, level slog.Level) *slog.Logger {
	return slog.New(atLeast{log.Handler(), level})
}

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) WithAttrs(attributes []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attributes), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}

func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// Ready tells whether this replica can work: it has a file and reaches the control database.
func (o *Operator) Ready(ctx context.Context) error {
	l, done := o.use()
	done()
	if l == nil {
		return fmt.Errorf("no tenants' file was read yet: %w", tenant.ErrNotFound)
	}
	return o.pool.Ping(ctx)
}

// ID names the replica.
func (o *Operator) ID() string { return o.id }

// Run works until ctx is over. Then it begins nothing more, lets what is under way end or come to a point from which others go
// on, and leaves.
func (o *Operator) Run(ctx context.Context) error {
	defer o.pool.Close()
	read := looks(o.File) // from before the reading, so that a change during it is read as well
	o.reload(ctx)
	if err := o.beat(ctx); err != nil {
		return err
	}
	// Jobs outlive the word to end: Stop gives them their time.
	if err := o.queue.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	o.Log.InfoContext(ctx, "operator runs", "id", o.id, "file", o.File)
	var group errgroup.Group
	group.Go(func() error { return watch(ctx, o.File, read, func() { o.reload(ctx) }) })
	group.Go(func() error { o.beats(ctx); return nil })
	group.Go(func() error { o.lead(ctx); return nil })
	return errors.Join(group.Wait(), o.leave(ctx))
}

// leave ends in good order.
func (o *Operator) leave(ctx context.Context) error {
	close(o.drain)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), softStop+leaveTime)
	defer cancel()
	err := o.queue.client.Stop(stop)
	if err != nil {
		err = fmt.Errorf("stop the queue: %w", err)
	}
	err = errors.Join(err, o.Store.leave(stop, o.id))
	if o.holds != nil {
		err = errors.Join(err, o.holds.Close(stop))
	}
	o.mu.Lock()
	last := o.current
	o.current = nil
	o.mu.Unlock()
	o.retire(stop, last)
	o.closing.Wait()
	return err
}

// reload reads the file. One that can't be read leaves what was read before in use, and is told of.
func (o *Operator) reload(ctx context.Context) {
	file, err := o.Load()
	if err != nil {
		o.broken(ctx, err)
		return
	}
	made := newLoaded(file, o.Open(file))
	o.mu.Lock()
	before := o.current
	healed := o.trouble != ""
	same := before != nil && before.hash == made.hash
	o.trouble = ""
	if !same {
		o.current = made
	}
	o.mu.Unlock()
	o.Metrics.broken.Set(0)
	if healed {
		o.tell(ctx, "operator.file_mended", "", "tenants.yaml can be read again")
	}
	if same {
		made.Close(ctx)
		return
	}
	o.Log.InfoContext(ctx, "read the tenants' file", "hash", short(made.hash), "tenants", len(file.Tenants()))
	o.retire(ctx, before)
	o.awake()
}

func (o *Operator) broken(ctx context.Context, err error) {
	o.mu.Lock()
	news := o.trouble != err.Error()
	o.trouble = err.Error()
	o.mu.Unlock()
	o.Metrics.broken.Set(1)
	if !news {
		return
	}
	o.Log.ErrorContext(ctx, "the tenants' file can't be read; what was read before stays in force", "file", o.File, "error", err)
	o.tell(ctx, "operator.file_broken", "", "tenants.yaml can't be read, what was read before stays in force: "+err.Error())
}

// retire closes a workshop when the last job has left it.
func (o *Operator) retire(ctx context.Context, old *loaded) {
	if old == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	o.closing.Go(func() {
		old.users.Wait()
		old.Close(ctx)
	})
}

// use gives the file in force to a job, which calls the function when it is done with it; nil where there is none.
func (o *Operator) use() (*loaded, func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current == nil {
		return nil, func() {}
	}
	now := o.current
	now.users.Add(1)
	return now, now.users.Done
}

// Declared is the content of tenants.yaml that this replica has; nil before the first good one.
func (o *Operator) Declared() *config.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current == nil {
		return nil
	}
	return o.current.file
}

// awake has the leader look at the fleet soon.
func (o *Operator) awake() {
	select {
	case o.wake <- struct{}{}:
	default: // it is to look already
	}
}

// tell publishes an event. One that can't be is in the log.
func (o *Operator) tell(ctx context.Context, kind string, name tenant.Name, message string) {
	err := o.Records.Publish(ctx, tenant.Event{Type: kind, Tenant: name, Actor: o.Actor, Message: message})
	if err != nil && ctx.Err() == nil {
		o.Log.WarnContext(ctx, "publish", "type", kind, "message", message, "error", err)
	}
}

const (
	beatPause    = time.Second
	reclaimPause = 5 * time.Second // between two looks at what the queue says this replica works on
)

// beats says that this replica runs, and whether its file is what the fleet follows.
func (o *Operator) beats(ctx context.Context) {
	ticker := time.NewTicker(beatPause)
	defer ticker.Stop()
	looked := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := o.beat(ctx)
		if err == nil {
			err = o.compareFiles(ctx)
		}
		if err == nil && time.Since(looked) >= reclaimPause {
			looked = time.Now()
			err = o.reclaim(ctx)
		}
		if err != nil && ctx.Err() == nil {
			o.Log.WarnContext(ctx, "heartbeat", "error", err)
		}
	}
}

func (o *Operator) reclaim(ctx context.Context) error {
	back, err := o.queue.reclaim(ctx)
	if back > 0 {
		o.Log.WarnContext(ctx, "put jobs back that this replica was given and never heard of", "jobs", back)
	}
	return err
}

func (o *Operator) beat(ctx context.Context) error {
	o.mu.Lock()
	said := Replica{ID: o.id, Holder: registry.ThisProcess(), File: o.File, Trouble: o.trouble, Leads: o.leads}
	if o.current != nil {
		said.Hash = o.current.hash
	}
	o.mu.Unlock()
	now, err := o.Store.beat(ctx, said)
	if err == nil {
		o.Clock.set(now)
	}
	return err
}

// compareFiles notes when this replica had what the fleet follows, and tells when it hasn't for a while.
func (o *Operator) compareFiles(ctx context.Context) error {
	g, err := o.Store.Generation(ctx)
	if err != nil {
		return err
	}
	o.Metrics.generation.Set(float64(g.Number))
	o.Metrics.held.Set(oneIf(g.Held != ""))
	o.mu.Lock()
	mine := ""
	if o.current != nil {
		mine = o.current.hash
	}
	differs := mine != "" && g.Number > 0 && mine != g.Hash
	switch {
	case !differs:
		o.agreed, o.differs = mine, time.Time{}
	case o.differs.IsZero():
		o.differs = time.Now()
	}
	late := differs && time.Since(o.differs) > o.DiffersAfter && o.told != mine+g.Hash
	if late {
		o.told = mine + g.Hash
	}
	o.mu.Unlock()
	o.Metrics.differs.Set(oneIf(differs))
	if late {
		message := fmt.Sprintf("%s has tenants.yaml %s, while the fleet follows %s of %s: give both the same file", registry.ThisProcess(), short(mine), short(g.Hash), g.Actor)
		o.Log.ErrorContext(ctx, "two operators have different files; this one does nothing", "mine", short(mine), "followed", short(g.Hash), "generation", g.Number)
		o.tell(ctx, "operator.files_differ", "", message)
	}
	return nil
}
