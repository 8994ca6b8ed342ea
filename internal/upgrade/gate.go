package upgrade

import (
	"context"
	"slices"
	"time"
)

// Verdict is what a gate says.
type Verdict string

// The verdicts. Inconclusive is a third thing: too little was seen to tell, so the rollout pauses and a person decides.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
	Accepted     Verdict = "accepted" // by a person, whatever the gate said
)

// Judgement is a gate's verdict with what it rests on.
type Judgement struct {
	Gate    string    `json:"gate"`
	Verdict Verdict   `json:"verdict"`
	Message string    `json:"message"` // one line for people
	Figures []Figure  `json:"figures,omitempty"`
	At      time.Time `json:"at"`
}

// Figure is one number that a gate looked at, with what it may be.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit,omitempty"`
}

// Passage is what a gate judges: a wave that has ended and baked.
type Passage struct {
	Rollout   string
	Wave      Wave
	Targets   []Target
	Instances []Instance  // on which the wave's tenants live
	Upgraded  []Outcome   // of the whole rollout so far
	Waiting   []Outcome   // that are still to come
	Began     time.Time   // of the wave
	Ended     time.Time   // of the wave, before it baked
	Said      []Judgement // of this wave before, oldest first: a rollout that stopped is resumed
}

// Brought are the targets that some tenant was brought to: of a service that everybody was at already there is nothing to judge.
func (p *Passage) Brought() []Target {
	return slices.DeleteFunc(slices.Clone(p.Targets), func(t Target) bool {
		return !slices.ContainsFunc(p.Upgraded, func(o Outcome) bool {
			before, concerned := o.Before[t.Service]
			return concerned && (before == nil || *before != t.Version)
		})
	})
}

// Watcher is a gate that compares what it sees after a wave with what it saw before.
type Watcher interface {
	// Watch is called when a wave begins, and when one is taken up again.
	Watch(ctx context.Context, targets []Target)
}

// Gate judges whether the next wave may begin. An error is its own failure to ask, and counts as Inconclusive.
type Gate interface {
	Name() string
	Judge(ctx context.Context, p Passage) (Judgement, error)
}
