package progress

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// Fleet shows how many tenants of a command are through. It may be told from several goroutines. Close it at the end.
type Fleet struct {
	streams *terminal.Streams
	mode    Mode
	what    string
	of      int
	now     func() time.Time

	mutex        sync.Mutex
	done, failed int
	meter        look.Meter
	said         time.Time
}

// NewFleet begins to show work on a number of tenants; what is its name, such as "provision".
func NewFleet(streams *terminal.Streams, mode Mode, what string, of int) *Fleet {
	f := &Fleet{streams: streams, mode: mode.on(streams), what: what, of: of, now: time.Now}
	f.said = f.now()
	f.meter.Add(f.said, 0, 0)
	return f
}

// Ended counts a tenant; a nil error is success.
func (f *Fleet) Ended(name tenant.Name, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.done++
	if err != nil {
		f.failed++
	}
	f.meter.Add(f.now(), float64(f.done)/float64(max(f.of, 1)), 0)
	switch f.mode {
	case JSON:
		e := event{Type: "fleet", Step: f.what, Tenant: name, Time: f.now().UTC(), Done: f.done, Failed: f.failed, Of: f.of}
		if err != nil {
			e.Error = err.Error()
		}
		writeEvent(f.streams.Err, e)
	case Bar:
		if f.of > 1 {
			counting(f.streams, look.Item{Name: f.what, Share: float64(f.done) / float64(f.of), Said: f.standing()})
		}
	case Plain:
		if now := f.now(); now.Sub(f.said) >= sayEvery {
			f.said = now
			_, _ = fmt.Fprintf(f.streams.Err, "%s: %s\n", f.what, strings.Join(f.standing(), "  ")) // nobody left to tell
		}
	case Auto, None:
	}
}

func (f *Fleet) standing() []string {
	said := upgrade.Counted(f.done, f.failed, f.of)
	if left, known := f.meter.Left(); known && f.done < f.of {
		said = append(said, look.Remaining(left))
	}
	return said
}

// Close takes the bar away.
func (f *Fleet) Close() { f.streams.Show() }
