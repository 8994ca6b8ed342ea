package upgrade

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"tenantctl/internal/config"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Proposal is a rollout that isn't recorded yet.
type Proposal struct {
	Targets []Target  `json:"targets"`
	Waves   []Wave    `json:"waves"`
	Tenants []Outcome `json:"tenants"` // that are to be upgraded, or are left out by a rule
	Current int       `json:"current"` // tenants that are there already
}

// Empty tells that no tenant has to be upgraded.
func (p Proposal) Empty() bool { return len(p.Waves) == 0 }

// Pending counts the tenants that are to be upgraded.
func (p Proposal) Pending() int {
	n := 0
	for _, wave := range p.Waves {
		n += wave.Size
	}
	return n
}

// Plan looks where members stand and lays the waves out. It changes nothing.
func (u *Upgrader) Plan(ctx context.Context, members []Member) (Proposal, error) {
	if err := checkRings(u.Rollout.Rings, members); err != nil {
		return Proposal{}, err
	}
	stands, err := u.observe(ctx, alive(members))
	if err != nil {
		return Proposal{}, err
	}
	p := Proposal{Targets: u.Targets}
	for _, m := range members {
		outcome, concerned := u.judge(m, stands[m.Tenant])
		if concerned {
			p.Tenants = append(p.Tenants, outcome)
		} else {
			p.Current++
		}
	}
	p.Waves = layOut(u.Rollout.Rings, p.Tenants, 0)
	return p, nil
}

// alive are the members that have a schema to look at.
func alive(members []Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return gone(m) })
}

func gone(m Member) bool { return m.State == tenant.Archived || m.State == tenant.Deleted }

// judge says what is to be done with a member; false where it is at its versions already. What is suspended is upgraded, too:
// it comes back at the versions of the others.
func (u *Upgrader) judge(m Member, stands map[string]stream.Stand) (Outcome, bool) {
	outcome := Outcome{Member: m, Result: Pending, Before: map[string]*uint64{}}
	if gone(m) {
		outcome.Result, outcome.Note = Skipped, "is "+string(m.State)
		return outcome, true
	}
	if m.Busy != "" {
		outcome.Result, outcome.Note = Skipped, busyNote(m.Busy)
		return outcome, true
	}
	concerned := false
	for _, target := range u.Targets {
		if !slices.Contains(m.Services, target.Service) {
			continue
		}
		stand := stands[target.Service]
		if !stand.Table {
			outcome.Result, outcome.Note = Skipped, fmt.Sprintf("has no tables of %s yet: `tenantctl provision %s` makes them", target.Service, m.Tenant)
			return outcome, true
		}
		outcome.Before[target.Service] = number(stand.Version)
		if v := stand.Version; v == nil || v.Dirty || v.Number < target.Version {
			concerned = true
		}
	}
	return outcome, concerned
}

func number(v *tenant.Version) *uint64 {
	if v == nil {
		return nil
	}
	return &v.Number
}

// layOut divides the pending tenants into waves, ring by ring, after a number of waves that are there already, and writes each
// tenant's wave down. Tenants come in the order of their names; empty waves are left out.
func layOut(rings []config.Ring, tenants []Outcome, after int) []Wave {
	var waves []Wave
	slices.SortStableFunc(tenants, func(a, b Outcome) int { return strings.Compare(string(a.Tenant), string(b.Tenant)) })
	for _, ring := range rings {
		var here []int
		for i := range tenants {
			if tenants[i].Result == Pending && tenants[i].Ring == ring.Name {
				here = append(here, i)
			}
		}
		begin := 0
		for _, percent := range ring.Waves {
			end := int(math.Ceil(float64(len(here)) * float64(percent) / 100))
			if end <= begin {
				continue
			}
			wave := Wave{Number: after + len(waves) + 1, Ring: ring.Name, Size: end - begin, Parallel: ring.Parallel, Bake: ring.Bake}
			for _, i := range here[begin:end] {
				tenants[i].Wave = wave.Number
			}
			waves, begin = append(waves, wave), end
		}
	}
	return waves
}

// checkRings refuses tenants in a ring that isn't declared: nobody would upgrade those.
func checkRings(rings []config.Ring, members []Member) error {
	for _, m := range members {
		if !slices.ContainsFunc(rings, func(r config.Ring) bool { return r.Name == m.Ring }) {
			return tenant.WithHint(fmt.Errorf("tenant %s is in ring %q, which isn't declared: %w", m.Tenant, m.Ring, tenant.ErrInvalid),
				"declare it under rollout.rings of tenants.yaml, or give the tenant another")
		}
	}
	return nil
}
