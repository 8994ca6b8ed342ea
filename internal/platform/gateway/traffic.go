package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// kind is what a request does to the side that it goes to.
type kind int

const (
	reads   kind = iota // it may end where it began
	writes              // none may be under way to a side that is left
	streams             // reads without end: it is closed when the side is left
	tunnels             // both: a WebSocket
)

var (
	errMoved  = errors.New("the tenant's traffic goes elsewhere now")
	errEnding = errors.New("the gateway ends")
)

// traffic are the books: every request under way, by tenant, with the route it left by. The route is looked up and the request
// written down in one step, so that whoever changes the directory first and looks into the books then finds every request that
// left by the old route.
type traffic struct {
	directory Directory
	ended     func() // a request that was to be waited for has ended

	mutex sync.Mutex
	lanes map[tenant.Name]*lane
}

// lane is a tenant's part. It is kept while there are requests.
type lane struct {
	users   int
	changed chan struct{} // closed at the next change
	flights map[*flight]struct{}
}

// flight is a request under way.
type flight struct {
	tenant tenant.Name
	epoch  int64        // of the route that it left by
	side   tenant.Route // legacy or platform
	kind   kind
	cancel context.CancelCauseFunc
	late   time.Time // when it should be done by; zero while its side isn't left
	cut    bool
}

func newTraffic(directory Directory, ended func()) *traffic {
	return &traffic{directory: directory, ended: ended, lanes: map[tenant.Name]*lane{}}
}

// join begins a request; leave must follow.
func (t *traffic) join(name tenant.Name) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	l := t.lanes[name]
	if l == nil {
		l = &lane{changed: make(chan struct{}), flights: map[*flight]struct{}{}}
		t.lanes[name] = l
	}
	l.users++
}

func (t *traffic) leave(name tenant.Name) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	l := t.lanes[name]
	if l.users--; l.users == 0 {
		delete(t.lanes, name)
	}
}

// held tells whether a kind of request has to wait for a tenant's next change.
func (t *traffic) held(name tenant.Name, k kind) (changed <-chan struct{}, held bool, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	now, err := t.now(name)
	if err != nil {
		return nil, false, err
	}
	return t.lanes[name].changed, now.Route == tenant.RouteHold && (k == writes || k == tunnels), nil
}

// depart writes a request down, with the route that it goes by. It is false where the request has to wait.
func (t *traffic) depart(name tenant.Name, k kind, cancel context.CancelCauseFunc) (*flight, scope.Tenant, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	now, err := t.now(name)
	if err != nil {
		return nil, now, err
	}
	f := &flight{tenant: name, epoch: now.Epoch, side: now.Route, kind: k, cancel: cancel}
	if now.Route == tenant.RouteHold {
		if k == writes || k == tunnels {
			return nil, now, nil
		}
		f.side = now.HeldFrom
	}
	t.lanes[name].flights[f] = struct{}{}
	return f, now, nil
}

// now is the tenant as the directory has it, if it may be served.
func (t *traffic) now(name tenant.Name) (scope.Tenant, error) {
	now, err := t.directory.Tenant(name)
	switch {
	case err != nil:
		return now, err
	case now.State == tenant.Suspended:
		return now, scope.ErrSuspended
	case now.State != tenant.Active:
		return now, tenant.ErrNotFound
	}
	return now, nil
}

// arrive takes a request off the books.
func (t *traffic) arrive(f *flight) {
	t.mutex.Lock()
	delete(t.lanes[f.tenant].flights, f)
	waited := !f.late.IsZero()
	t.mutex.Unlock()
	if waited {
		t.ended()
	}
}

// becomes turns a request into a stream or tunnel. It is false where its side has been left meanwhile.
func (t *traffic) becomes(f *flight, k kind) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	f.kind = k
	return !t.left(f)
}

// left tells whether a flight's side is no longer where such a request would go. The mutex is held.
func (t *traffic) left(f *flight) bool {
	now, err := t.now(f.tenant)
	if err != nil {
		return true
	}
	return now.Epoch != f.epoch && now.Route != f.side
}

// change wakes those who wait for a tenant's change, and closes the streams that the change leaves behind.
func (t *traffic) change(name tenant.Name) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	l := t.lanes[name]
	if l == nil {
		return
	}
	close(l.changed)
	l.changed = make(chan struct{})
	for f := range l.flights {
		if (f.kind == streams || f.kind == tunnels) && t.left(f) {
			f.cancel(errMoved)
		}
	}
}

// closeStreams ends what has no end of its own.
func (t *traffic) closeStreams(cause error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, l := range t.lanes {
		for f := range l.flights {
			if f.kind == streams || f.kind == tunnels {
				f.cancel(cause)
			}
		}
	}
}

// cutTime is for how long a request that was cut is waited for.
const cutTime = 2 * time.Second

// draining lists the epochs that can't be acknowledged yet, since writes by the routes before them are under way. Those that are
// late are cut, and told.
func (t *traffic) draining(patience time.Duration, cut func(f *flight)) []int64 {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var epochs []int64
	for name, l := range t.lanes {
		now, err := t.directory.Tenant(name)
		if err != nil {
			continue // its records are gone, and with them whoever waits
		}
		waits := false
		for f := range l.flights {
			waits = t.drains(f, now, patience, cut) || waits
		}
		if waits {
			epochs = append(epochs, now.Epoch)
		}
	}
	return epochs
}

// drains tells whether a flight is waited for.
func (t *traffic) drains(f *flight, now scope.Tenant, patience time.Duration, cut func(f *flight)) bool {
	if f.kind != writes && f.kind != tunnels || now.Epoch == f.epoch || now.Route == f.side {
		return false
	}
	switch late := time.Since(f.late); {
	case f.late.IsZero():
		f.late = time.Now().Add(patience)
		if f.kind == tunnels {
			f.cancel(errMoved)
		}
	case late > cutTime:
		return false
	case late > 0 && !f.cut:
		f.cut = true
		f.cancel(errMoved)
		cut(f)
	}
	return true
}
