package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// Tenants are what a worker hears of tenants; scope.Directory implements it.
type Tenants interface {
	All() []scope.Tenant
	Tenant(name tenant.Name) (scope.Tenant, error)
}

// Options say what a worker works on.
type Options struct {
	Queue    string // the service whose jobs it does
	Instance string
	// DSN is how the queue's own login reaches the instance. It is asked for each connection, since passwords are rotated.
	DSN     func(ctx context.Context) (string, error)
	Pools   *scope.Pools // of the service
	Tenants Tenants
	Kinds   []Kind
	Slots   int           // how many jobs are done at once; 0 means 8
	Poll    time.Duration // how often an empty queue is looked at; 0 means 50 ms
	Lease   time.Duration // after which the jobs of a worker that died are done by another; 0 means 30 s
	// Slice is how long a long job runs before it gives way at a checkpoint, where others wait; 0 means 2 s.
	Slice time.Duration
	// Attempts is after how many failures a job has failed; 0 means 8.
	Attempts int
	// Pause is how long a job waits after its first failure, and twice as long after each further one; 0 means 5 s.
	Pause time.Duration
	// Keep is how long what has ended can be looked at; 0 means a week.
	Keep    time.Duration
	Metrics *Metrics
	Log     *slog.Logger
	Trace   *telemetry.Tracer
}

const (
	defaultSlots    = 8
	defaultPoll     = 50 * time.Millisecond
	defaultLease    = 30 * time.Second
	defaultSlice    = 2 * time.Second
	defaultAttempts = 8
	defaultPause    = 5 * time.Second
	longestPause    = time.Hour
	defaultKeep     = 7 * 24 * time.Hour
	defaultTimeout  = time.Hour
	tidyEvery       = time.Second
	wakeEvery       = time.Minute
	// drainTimeout is how long jobs may still run when the worker is told to end; then they go back to the queue.
	drainTimeout  = 10 * time.Second
	finishTimeout = 5 * time.Second
	workerConns   = 4
	reachEvery    = 5 * time.Second
	// longShare is the part of the slots that long jobs can take.
	longShare = 0.75
	// mostAhead is how many jobs are taken ahead for each slot at most. As many are as are done within Options.Poll: asking for each brief
	// one by itself would take longer than doing it. They wait no longer for a slot than others do for an idle worker to look. And no
	// more than have been measured: a few that are brief don't tell of the rest.
	mostAhead = 8
	// recent is how much of the average an attempt makes.
	recent = 0.05
)

func (o *Options) defaults() {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Poll, defaultPoll)
	set(&o.Lease, defaultLease)
	set(&o.Slice, defaultSlice)
	set(&o.Pause, defaultPause)
	set(&o.Keep, defaultKeep)
	if o.Slots == 0 {
		o.Slots = defaultSlots
	}
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Worker does a queue's jobs on one instance. Any number of them may run.
type Worker struct {
	Options
	kinds map[string]Kind
	queue *queue

	crowded atomic.Bool   // jobs wait for a slot, as far as was seen
	looked  time.Time     // when that was
	freed   chan struct{} // a slot is free
	todo    chan func()   // attempts at what was taken, in its order
	running sync.WaitGroup

	mutex    sync.Mutex
	tasks    map[string]*running    // by job
	usual    time.Duration          // that an attempt takes, of late
	measured int                    // attempts that it comes from
	names    map[string]tenant.Name // by role, as of the last look at all tenants
}

// running is a job that is being done.
type running struct {
	claimed
	kind   Kind
	cancel context.CancelCauseFunc // of the attempt: lease and cancellation count from when it was taken
}

// NewWorker makes a worker.
func NewWorker(opts Options) (*Worker, error) {
	opts.defaults()
	kinds := map[string]Kind{}
	for _, k := range opts.Kinds {
		if _, twice := kinds[k.Name]; twice {
			return nil, fmt.Errorf("kind of jobs %q is there twice: %w", k.Name, tenant.ErrInvalid)
		}
		kinds[k.Name] = k
	}
	return &Worker{Options: opts, kinds: kinds, freed: make(chan struct{}, 1), todo: make(chan func(), (1+mostAhead)*opts.Slots), tasks: map[string]*running{}}, nil
}

// Run works until ctx ends; then jobs that run may finish for a while, and what doesn't goes back to the queue. A server that is
// away is waited for.
func (w *Worker) Run(ctx context.Context) {
	pool := w.reach(ctx)
	if pool == nil {
		return
	}
	defer pool.Close()
	w.queue = &queue{pool: pool, name: w.Queue, worker: rand.Text(), lease: w.Lease}
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	keeping, done := context.WithCancel(context.WithoutCancel(ctx))
	var keeper sync.WaitGroup
	keeper.Go(func() { w.keepLeases(keeping) })
	for range w.Slots {
		w.running.Go(w.slot)
	}
	w.loop(ctx, work)
	close(w.todo)
	w.drain(stop)
	done()
	keeper.Wait()
}

// reach opens the queue, however long it takes to learn how; nil where ctx ends before.
func (w *Worker) reach(ctx context.Context) *pgxpool.Pool {
	for {
		pool, err := scope.OpenShared(ctx, scope.SharedOptions{
			What: "jobs", Instance: w.Instance, DSN: w.DSN, Application: "tenantctl/jobs/" + w.Queue, Conns: workerConns, Mode: pgx.QueryExecModeCacheStatement,
		})
		if err == nil {
			return pool
		}
		if ctx.Err() != nil {
			return nil
		}
		w.Log.ErrorContext(ctx, "jobs wait", "queue", w.Queue, "instance", w.Instance, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reachEvery):
		}
	}
}

// loop takes jobs while there are slots.
func (w *Worker) loop(ctx, work context.Context) {
	var tidied time.Time
	for ctx.Err() == nil {
		if time.Since(tidied) >= tidyEvery {
			w.tidy(ctx)
			tidied = time.Now()
		}
		err := w.take(ctx, work)
		if err != nil && ctx.Err() == nil {
			w.Log.WarnContext(ctx, "take jobs", "queue", w.Queue, "instance", w.Instance, "error", err)
		}
		w.wait(ctx, err)
	}
}

// wait waits for jobs to come, or for one to end: where all slots were taken, or a tenant had as many running as it may, there may be
// another to take.
func (w *Worker) wait(ctx context.Context, failed error) {
	pause := w.Poll
	if failed != nil {
		pause = max(w.Poll, time.Second)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	freed := w.freed
	if failed != nil {
		freed = nil
	}
	select {
	case <-ctx.Done():
	case <-freed:
	case <-timer.C:
	}
}

// take takes what there is room for.
func (w *Worker) take(ctx, work context.Context) error {
	room := w.room()
	if room.slots < max(1, room.ahead/2) || len(room.kinds) == 0 {
		return w.look(ctx)
	}
	list, err := w.queue.claim(ctx, room)
	if err != nil {
		return err
	}
	if len(list) < room.slots && room.long > 0 {
		w.crowded.Store(false)
	}
	pause.Point(ctx, pause.JobTaken)
	for _, c := range list {
		w.start(work, c)
	}
	if len(list) < room.slots && room.long == 0 {
		return w.look(ctx) // long ones may wait, for which there are no slots
	}
	return nil
}

// look sees whether others wait while all slots that they may have are taken, at most as often as an empty queue is looked at.
func (w *Worker) look(ctx context.Context) error {
	if time.Since(w.looked) < w.Poll {
		return nil
	}
	w.looked = time.Now()
	waiting, err := w.queue.waiting(ctx)
	w.crowded.Store(waiting)
	return err
}

// room is what this worker has room for.
func (w *Worker) room() wanted {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	long := 0
	for _, r := range w.tasks {
		if r.kind.Length == Long {
			long++
		}
	}
	ahead := min(int(time.Duration(w.Slots)*w.Poll/max(w.usual, time.Millisecond)), mostAhead*w.Slots, w.measured)
	room := wanted{ahead: ahead, slots: max(0, w.Slots+ahead-len(w.tasks)), long: max(0, max(1, int(float64(w.Slots)*longShare))-long), kinds: []string{}, longKinds: []string{}}
	for _, name := range slices.Sorted(maps.Keys(w.kinds)) {
		isLong := w.kinds[name].Length == Long
		if isLong {
			room.longKinds = append(room.longKinds, name)
		}
		if !isLong || room.long > 0 {
			room.kinds = append(room.kinds, name)
		}
	}
	return room
}

// start hands a job to the next slot that is free.
func (w *Worker) start(work context.Context, c claimed) {
	w.Metrics.began(w.Queue, c)
	ctx, cancel := context.WithCancelCause(work)
	task := &running{claimed: c, kind: w.kinds[c.Kind], cancel: cancel}
	w.mutex.Lock()
	w.tasks[c.ID] = task
	w.mutex.Unlock()
	w.todo <- func() { w.work(ctx, task) }
}

// slot does one job after the other, until there are no more.
func (w *Worker) slot() {
	for attempt := range w.todo {
		attempt()
	}
}

// work does a job, in the time that it may take.
func (w *Worker) work(ctx context.Context, task *running) {
	timeout := task.kind.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	w.do(ctx, task.kind, task.claimed)
	task.cancel(nil)
	w.release(task.ID)
}

// took remembers how long attempts take.
func (w *Worker) took(d time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.measured++
	w.usual += time.Duration(max(recent, 1/float64(w.measured)) * float64(d-w.usual))
}

func (w *Worker) release(id string) {
	w.mutex.Lock()
	delete(w.tasks, id)
	w.mutex.Unlock()
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

// drain lets jobs finish for a while.
func (w *Worker) drain(stop context.CancelCauseFunc) {
	timer := time.AfterFunc(drainTimeout, func() { stop(errEnding) })
	defer timer.Stop()
	w.running.Wait()
}

// tidy does what comes up every second. What fails is done the next time.
func (w *Worker) tidy(ctx context.Context) {
	err := errors.Join(w.queue.setShares(ctx, w.shares()), w.queue.tidy(ctx, w.Options), w.queue.schedule(ctx))
	if err != nil && ctx.Err() == nil {
		w.Log.WarnContext(ctx, "tidy the queue", "queue", w.Queue, "instance", w.Instance, "error", err)
	}
}

// shares are what each tenant of the instance may have; whose role is whose is remembered on the way.
func (w *Worker) shares() []share {
	var list []share
	names := map[string]tenant.Name{}
	for _, t := range w.Tenants.All() {
		role, err := t.Role(w.Queue)
		if t.Instance != w.Instance || !t.Has(w.Queue) || err != nil {
			continue
		}
		names[role] = t.Name
		list = append(list, share{role: role, weight: float64(max(t.Limits.Weight, 1)), most: max(t.Limits.Jobs, 1), open: served(t)})
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.names = names
	return list
}

// served tells whether a tenant's jobs are done now. Those of one that is suspended, or whose rows are on the move, wait.
func served(t scope.Tenant) bool { return t.State == tenant.Active && t.Route == tenant.RoutePlatform }

// tenantOf finds whose a role is. One that another worker let in since the last look at all tenants is looked for anew.
func (w *Worker) tenantOf(role string) (scope.Tenant, error) {
	name, known := w.nameOf(role)
	if !known {
		w.shares()
		if name, known = w.nameOf(role); !known {
			return scope.Tenant{}, fmt.Errorf("the tenant of role %q: %w", role, tenant.ErrNotFound)
		}
	}
	return w.Tenants.Tenant(name)
}

func (w *Worker) nameOf(role string) (tenant.Name, bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	name, known := w.names[role]
	return name, known
}

// keepLeases renews what this worker works on, and ends what isn't its any more.
func (w *Worker) keepLeases(ctx context.Context) {
	ticker := time.NewTicker(min(w.Lease/3, 2*time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before := w.attempts()
		mine, err := w.queue.keep(ctx, slices.Collect(maps.Keys(before)))
		if err != nil {
			if ctx.Err() == nil {
				w.Log.WarnContext(ctx, "renew leases", "queue", w.Queue, "instance", w.Instance, "error", err)
			}
			continue
		}
		w.mutex.Lock()
		for id, attempt := range before {
			task, held := w.tasks[id], mine[id]
			switch {
			case task == nil || task.Attempt != attempt:
			case held.attempt != attempt:
				task.cancel(ErrLost)
			case held.cancel:
				task.cancel(errCanceled)
			}
		}
		w.mutex.Unlock()
	}
}

func (w *Worker) attempts() map[string]int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	attempts := make(map[string]int, len(w.tasks))
	for id, r := range w.tasks {
		attempts[id] = r.Attempt
	}
	return attempts
}
