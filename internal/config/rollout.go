package config

import (
	"math"
	"time"
)

// Rollout is how an upgrade spreads over the fleet.
type Rollout struct {
	Rings  []Ring // upgraded one after the other
	Budget Budget
	Gates  Gates
}

// Ring is a group of tenants that are upgraded together.
type Ring struct {
	Name     string
	Parallel int       // tenants at once on each instance
	Waves    []Percent // cumulative, rising to 100
	Bake     time.Duration
}

// Budget is how many tenants of a wave may fail: the lesser of Failures and Percent.
type Budget struct {
	Failures    int `json:"failures"`    // math.MaxInt32 where only Percent is given
	Percent     int `json:"percent"`     // 100 where only Failures is given
	Consecutive int `json:"consecutive"` // failing one after the other, these stop the wave; 0 is off
}

// What a ring and a budget are where the file doesn't say otherwise.
const (
	DefaultParallel       = 8
	defaultBudgetFailures = 3
	defaultBudgetPercent  = 5
)

// Rollout has the rings in their order; one called general where the file declares none.
func (f *File) Rollout() Rollout {
	made := Rollout{Budget: f.budget(), Gates: f.gates()}
	declared := f.doc.Rollout.Rings
	if len(declared) == 0 {
		declared = []ring{{Name: DefaultRing}}
	}
	for _, r := range declared {
		waves := r.Waves
		if len(waves) == 0 {
			waves = []Percent{100}
		}
		made.Rings = append(made.Rings, Ring{
			Name: r.Name, Parallel: first(r.Parallel, DefaultParallel), Waves: waves, Bake: time.Duration(r.Bake),
		})
	}
	return made
}

func (f *File) budget() Budget {
	declared := f.doc.Rollout.Budget
	if declared == nil {
		declared = &budget{}
	}
	if declared.Failures == nil && declared.Percent == nil {
		return Budget{Failures: defaultBudgetFailures, Percent: defaultBudgetPercent, Consecutive: declared.Consecutive}
	}
	return Budget{
		Failures: given(declared.Failures, math.MaxInt32), Percent: given(declared.Percent, 100), Consecutive: declared.Consecutive,
	}
}
