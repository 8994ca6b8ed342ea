package bus

import (
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// lines are deliveries that wait, a line for each tenant. Tenants take turns, and of each one delivery is handled at a time: whoever
// has many, or slow ones, takes a worker's time and no more.
type lines struct {
	mutex   sync.Mutex
	changed *sync.Cond
	waiting map[string][]amqp.Delivery
	turns   []string // tenants who have something waiting and nothing being handled
	busy    map[string]bool
	closed  bool
}

func newLines() *lines {
	l := &lines{waiting: map[string][]amqp.Delivery{}, busy: map[string]bool{}}
	l.changed = sync.NewCond(&l.mutex)
	return l
}

// put puts a delivery at the end of its tenant's line.
func (l *lines) put(tenant string, d amqp.Delivery) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.waiting[tenant] = append(l.waiting[tenant], d)
	if len(l.waiting[tenant]) == 1 && !l.busy[tenant] {
		l.turns = append(l.turns, tenant)
		l.changed.Signal()
	}
}

// do waits for the next delivery and handles it; false when there are no more.
func (l *lines) do(handle func(amqp.Delivery)) bool {
	tenant, d, open := l.take()
	if open {
		defer l.done(tenant)
		handle(d)
	}
	return open
}

func (l *lines) take() (tenant string, d amqp.Delivery, open bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for len(l.turns) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return "", d, false
	}
	tenant, l.turns = l.turns[0], l.turns[1:]
	line := l.waiting[tenant]
	d, l.waiting[tenant] = line[0], line[1:]
	l.busy[tenant] = true
	return tenant, d, true
}

func (l *lines) done(tenant string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.busy, tenant)
	if len(l.waiting[tenant]) == 0 {
		delete(l.waiting, tenant)
		return
	}
	l.turns = append(l.turns, tenant)
	l.changed.Signal()
}

// close leaves what waits where it is.
func (l *lines) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.closed = true
	l.changed.Broadcast()
}
