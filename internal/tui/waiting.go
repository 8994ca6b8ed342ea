package tui

import (
	"fmt"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// Queue is work that waits in an instance's database: jobs of a service, or events on their way to the broker.
type Queue struct {
	Instance string        `json:"instance"`
	Name     string        `json:"name"`
	Waiting  int64         `json:"waiting"`
	Running  int64         `json:"running"`
	Oldest   time.Duration `json:"oldest"`            // how long the oldest that waits has waited
	Tenants  []Waiter      `json:"tenants,omitempty"` // the few that wait most
}

// Waiter is a tenant with work in a queue.
type Waiter struct {
	Tenant  tenant.Name   `json:"tenant"`
	Waiting int64         `json:"waiting"`
	Running int64         `json:"running"`
	Oldest  time.Duration `json:"oldest"`
	Dwell   time.Duration `json:"dwell"` // that 99 % of what was done in the last minute waited at most; 0: nothing was
}

// queues shows what waits, and for whom.
func (p *servicesPage) queues() {
	p.doc.blank()
	p.doc.add(text(dim, "  "+fit("WAITING", 21)+pad("WAIT", 9)+pad("RUN", 7)+pad("OLDEST", 9)+pad("P99 WAIT", 10)))
	if len(p.waiting) == 0 {
		p.doc.add(text(dim, "  no queue: neither jobs nor bus is among the services"))
	}
	for _, q := range p.waiting {
		p.doc.add(text(strong, fit(q.Name+" on "+q.Instance, 23)).with(plain, counts(q.Waiting, q.Running, q.Oldest)))
		for _, w := range q.Tenants {
			dwell := "-"
			if w.Dwell > 0 {
				dwell = look.Duration(w.Dwell)
			}
			l := text(plain, "  "+fit(string(w.Tenant), 21)).with(plain, counts(w.Waiting, w.Running, w.Oldest)+pad(dwell, 10))
			p.doc.rows = append(p.doc.rows, docRow{line: l, tenant: w.Tenant, stop: true})
		}
	}
}

func counts(waiting, running int64, oldest time.Duration) string {
	age := "-"
	if oldest > 0 {
		age = look.Duration(oldest)
	}
	return pad(fmt.Sprint(waiting), 9) + pad(fmt.Sprint(running), 7) + pad(age, 9)
}
