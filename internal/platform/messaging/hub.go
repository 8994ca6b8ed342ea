package messaging

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// heard is a message, and who takes part in its conversation.
type heard struct {
	Message
	Participants []string
}

// hub looks for new messages, once for all streams of a tenant in this process.
type hub struct {
	store   *scope.Pools
	active  func(tenant.Name) (scope.Tenant, error)
	poll    time.Duration
	log     *slog.Logger
	mu      sync.Mutex
	watches map[tenant.Name]*watch
}

// watch looks for one tenant's.
type watch struct {
	last   int64 // message that the listeners were given
	heard  map[*listener]struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// listener is a stream. Its messages are closed where it is too slow, or its tenant isn't in service.
type listener struct {
	user     string
	messages chan Message
	closed   bool
}

const (
	// waiting is how many messages may wait for a stream before it is ended; its client comes back for them.
	waiting = 1024
	// batch is how many are read at once.
	batch = 500
)

func newHub(opts Options) *hub {
	return &hub{store: opts.Pools, active: opts.Authorize.Active, poll: opts.Poll, log: opts.Log, watches: map[tenant.Name]*watch{}}
}

// join gives the listener all messages of its user behind those that were there when now was read, and maybe some of these again.
// The caller ends it by leave.
func (h *hub) join(ctx context.Context, name tenant.Name, user string, now int64) (l *listener, leave func()) {
	l = &listener{user: user, messages: make(chan Message, waiting)}
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.watches[name]
	if w == nil {
		watching, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it serves others when this stream is over
		w = &watch{last: now, heard: map[*listener]struct{}{}, cancel: cancel, done: make(chan struct{})}
		h.watches[name] = w
		go func() { defer close(w.done); h.look(watching, name, w) }()
	}
	w.heard[l] = struct{}{}
	return l, func() { h.leave(name, w, l) }
}

// leave waits for the watch to end if nobody is left.
func (h *hub) leave(name tenant.Name, w *watch, l *listener) {
	h.mu.Lock()
	delete(w.heard, l)
	last := len(w.heard) == 0
	if last && h.watches[name] == w {
		delete(h.watches, name)
	}
	h.mu.Unlock()
	if last {
		w.cancel()
		<-w.done
	}
}

// look is a watch. While the database is away it goes on asking, and misses nothing.
func (h *hub) look(ctx context.Context, name tenant.Name, w *watch) {
	ticker := time.NewTicker(h.poll)
	defer ticker.Stop()
	failing, more := false, false
	for {
		if !more {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
		t, err := h.active(name)
		if err != nil {
			more = false
			h.end(w)
			continue
		}
		found, err := h.since(ctx, t, w.last)
		if err != nil && ctx.Err() == nil && !failing {
			h.log.WarnContext(ctx, "messages can't be read; streams wait", "tenant", name, "error", err)
		}
		failing, more = err != nil, len(found) == batch
		h.tell(w, found)
	}
}

// since reads messages behind one, in their order.
func (h *hub) since(ctx context.Context, t scope.Tenant, last int64) (found []heard, err error) {
	err = h.store.Read(ctx, t, func(b *pgx.Batch) {
		b.Queue(`select `+columns+`, array(select p.user_id from participants p where p.conversation_id = m.conversation_id) as participants
			from messages m where m.id > $1 order by m.id limit $2`, last, batch).Query(func(rows pgx.Rows) (err error) {
			found, err = pgx.CollectRows(rows, pgx.RowToStructByName[heard])
			return err
		})
	})
	return found, err
}

func (h *hub) tell(w *watch, found []heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range found {
		w.last = m.ID
		for l := range w.heard {
			if l.closed || !slices.Contains(m.Participants, l.user) {
				continue
			}
			select {
			case l.messages <- m.Message:
			default:
				l.close()
			}
		}
	}
}

// end ends all streams of a watch.
func (h *hub) end(w *watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range w.heard {
		l.close()
	}
}

// close is called under the hub's lock.
func (l *listener) close() {
	if !l.closed {
		l.closed = true
		close(l.messages)
	}
}
