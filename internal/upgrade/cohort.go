package upgrade

import (
	"fmt"
	"strings"

	"tenantctl/internal/stream"
)

// Stretch is what a tenant still has to go of one stream: the files above From, nil for before the first one, up to To.
type Stretch struct {
	Stream *stream.Stream
	From   *uint64
	To     uint64
}

// Files are those that are to be run, in order.
func (s Stretch) Files() []stream.File { return s.Stream.Between(s.From, s.To) }

func (s Stretch) String() string {
	from := "nothing"
	if s.From != nil {
		from = fmt.Sprint(*s.From)
	}
	return fmt.Sprintf("%s %s to %d", s.Stream.Service, from, s.To)
}

// Cohort are tenants that have the same files before them, so that what is found out about those files holds for all of them.
type Cohort struct {
	Stretches []Stretch // in dependency order
	Members   []Member
	// Fingerprint is what the members' catalogs have in common; "" where nobody looked.
	Fingerprint string
}

func (c Cohort) String() string {
	parts := make([]string, len(c.Stretches))
	for i, stretch := range c.Stretches {
		parts[i] = stretch.String()
	}
	return strings.Join(parts, ", ")
}

// Cohorts divides the pending of a plan's tenants by the files that they have before them, in the order of each cohort's first
// tenant. Streams that aren't there to be found are left out, as are tenants with nothing before them.
func Cohorts(streams []*stream.Stream, targets []Target, tenants []Outcome) []Cohort {
	byService := make(map[string]*stream.Stream, len(streams))
	for _, s := range streams {
		byService[s.Service] = s
	}
	var cohorts []Cohort
	at := map[string]int{}
	for _, outcome := range tenants {
		if outcome.Result != Pending {
			continue
		}
		cohort := Cohort{Stretches: outcome.stretches(byService, targets), Members: []Member{outcome.Member}}
		if len(cohort.Stretches) == 0 {
			continue
		}
		i, known := at[cohort.String()]
		if known {
			cohorts[i].Members = append(cohorts[i].Members, outcome.Member)
			continue
		}
		at[cohort.String()] = len(cohorts)
		cohorts = append(cohorts, cohort)
	}
	return cohorts
}

// stretches are what is before a tenant. Before has an entry, if only nil, for each stream that the rollout concerns.
func (o Outcome) stretches(streams map[string]*stream.Stream, targets []Target) []Stretch {
	var stretches []Stretch
	for _, target := range targets {
		from, concerned := o.Before[target.Service]
		s := streams[target.Service]
		if !concerned || s == nil {
			continue
		}
		stretch := Stretch{Stream: s, From: from, To: target.Version}
		if len(stretch.Files()) > 0 {
			stretches = append(stretches, stretch)
		}
	}
	return stretches
}
