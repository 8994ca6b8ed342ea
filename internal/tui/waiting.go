package tui

import (
	"fmt"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// Queue is work that waits: in an instance's database, jobs of a service or events on their way to the broker; at the broker, events
// on their way to who consumes them, and those that nobody could handle.
type Queue struct {
	Instance string        `json:"instance,omitempty"` // empty: at the broker, which knows neither of tenants nor since when something waits
	Name     string        `json:"name"`
	Waiting  int64         `json:"waiting"`
	Running  int64         `json:"running"`
	Oldest   time.Duration `json:"oldest"`            // how long the oldest that waits has waited
	Tenants  []Waiter      `json:"tenants,omitempty"` // the few that wait most
	Again    int64         `json:"again,omitempty"`   // failed, and waits for another try; at the broker
	Takers   int           `json:"takers,omitempty"`  // processes that take from it; at the broker
	Parked   bool          `json:"parked,omitempty"`  // nobody takes from it by himself
}

// Waiter is a tenant with work in a queue.
type Waiter struct {
	Tenant  tenant.Name   `json:"tenant"`
	Waiting int64         `json:"waiting"`
	Running int64         `json:"running"`
	Oldest  time.Duration `json:"oldest"`
	Dwell   time.Duration `json:"dwell"` // that 99 % of what was done in the last minute waited at most; 0: nothing was
}

// parked says first what waits for a person.
func (p *servicesPage) parked() {
	for _, q := range p.waiting {
		if q.Parked && q.Waiting > 0 {
			said := "! " + look.Plural(q.Waiting, "message is parked; ", "messages are parked; ")
			p.doc.rows = append(p.doc.rows, docRow{line: text(bad, said).with(strong, parkedCommand).with(bad, " tells why"), copied: parkedCommand, stop: true})
		}
	}
}

const (
	parkedCommand = "tenantctl dlq list"
	// What a queue's name has room for at least and at most, and what stands beside it.
	queueNameLeast, queueNameMost, queueFigures = 23, 40, 55
)

// queues shows what waits, and for whom.
func (p *servicesPage) queues(width int) {
	p.doc.blank()
	room := min(max(width-queueFigures, queueNameLeast), queueNameMost)
	p.doc.add(text(dim, "  "+fit("WAITING", room-2)+pad("WAIT", 9)+pad("RUN", 7)+pad("OLDEST", 9)+pad("P99 WAIT", 10)))
	if p.why != "" {
		p.doc.paragraph(warn, "  ", "not all that waits is known: "+p.why, width, maxErrorLines)
	}
	if len(p.waiting) == 0 && p.why == "" {
		p.doc.add(text(dim, "  no queue: neither jobs nor bus is among the services"))
	}
	for _, q := range p.waiting {
		if q.Instance == "" {
			p.atBroker(q, room)
			continue
		}
		p.doc.add(text(strong, fit(q.Name+" on "+q.Instance, room)).with(plain, counts(q.Waiting, q.Running, q.Oldest)))
		for _, w := range q.Tenants {
			dwell := "-"
			if w.Dwell > 0 {
				dwell = look.Duration(w.Dwell)
			}
			l := text(plain, "  "+fit(string(w.Tenant), room-2)).with(plain, counts(w.Waiting, w.Running, w.Oldest)+pad(dwell, 10))
			p.doc.rows = append(p.doc.rows, docRow{line: l, tenant: w.Tenant, stop: true})
		}
	}
}

// atBroker is a queue of the broker's, which can tell only how much is in it.
func (p *servicesPage) atBroker(q Queue, room int) {
	how, says := dim, ""
	switch {
	case q.Parked:
	case q.Takers == 0:
		how, says = warn, "  nobody takes them"
	default:
		says = "  taken by " + look.Plural(int64(q.Takers), "process", "processes")
	}
	if q.Again > 0 {
		says += ", " + look.Plural(q.Again, "waits for another try", "wait for another try")
	}
	p.doc.add(text(strong, fit(q.Name, room)).with(plain, pad(fmt.Sprint(q.Waiting), 9)).with(dim, pad("-", 7)+pad("-", 9)).with(how, says))
}

func counts(waiting, running int64, oldest time.Duration) string {
	age := "-"
	if oldest > 0 {
		age = look.Duration(oldest)
	}
	return pad(fmt.Sprint(waiting), 9) + pad(fmt.Sprint(running), 7) + pad(age, 9)
}
