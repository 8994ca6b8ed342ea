package operator

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tenantctl/internal/local/localtest"
)

// Operators' clocks and the control database's are an hour apart, one way or the other, or come apart while they work. Nothing is
// lost, put off by that hour, or done twice.
func TestClocksDisagree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, after time.Duration }{
		"operators ahead":     {-time.Hour, -time.Hour},
		"operators fall back": {0, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, clock := localtest.NewClockedServer(t, nil, c.before)
			prefix := localtest.PrefixOn(t, server)
			s := setup(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server}))
			s.prefix, s.maxAge = prefix, 2*time.Hour
			s.becomes("true", fmt.Sprintf(`select abs(extract(epoch from clock_timestamp()) - %d - %d) < 60`, time.Now().Unix(), int(c.before.Seconds())))
			s.worksByTheDatabasesClock(func() { clock.Set(c.after) })
		})
	}
}

// worksByTheDatabasesClock has two operators do something of everything that waits for a time. One of them gets the file late, so that it
// has to put jobs off.
func (s *scene) worksByTheDatabasesClock(step func()) {
	late := filepath.Join(s.dir, "late.yaml")
	follow := func() { s.write("late.yaml", s.declared) }
	s.declare(many(3))
	follow()
	s.start()
	s.becomes("1", `select count(*) from tenantctl_operator.replica where leads`) // who has the file late doesn't
	s.start("--file", late)
	s.becomes("3", active)
	s.becomes("2", `select count(*) from tenantctl_operator.replica where heartbeat > now() - interval '3 s'`)
	step()
	putOff := `select coalesce(max((metadata ->> 'snoozes')::int), 0) > 0 from tenantctl_river.river_job`
	for jobs := 1; s.ask(putOff) != "true" && jobs < 20; jobs++ {
		s.declare(strings.ReplaceAll(many(12), "{}", fmt.Sprintf("{ limits: { jobs: %d } }", jobs)))
		s.becomes("true", fmt.Sprintf(`select (%s) or 12 = (select count(*) from tenantctl.tenant where limits ->> 'jobs' = '%d')`, putOff, jobs))
	}
	s.becomes("true", putOff)
	follow()
	s.settle(patience)
	// What is out of service goes when its retention is over, and not an hour earlier or later.
	s.declare(many(12) + "  old: {}\n")
	follow()
	s.becomes("13", active)
	s.declare(many(12) + "  old: { state: deleted, deletion: { confirm: old, retention: 3s } }\n")
	follow()
	s.becomes("true", `select extract(epoch from max(at) filter (where type = 'tenant.deleted') - max(at) filter (where type = 'tenant.state_changed')) between 3 and 30
		from tenantctl.event where tenant = 'old'`)
	s.kill(s.leader())
	if len(s.running) == 1 { // whoever is left has the file late
		s.declare(many(13))
		follow()
	}
	s.becomes("13", active)
	s.settle(patience)
	s.becomes("14 14", `select count(*) || ' ' || count(distinct tenant) from tenantctl.event where type = 'tenant.provisioned'`)
	s.becomes("1 1", `select count(*) filter (where type = 'tenant.state_changed') || ' ' || count(*) filter (where type = 'tenant.deleted') from tenantctl.event where tenant = 'old'`)
	s.allDelivered(patience)
}
