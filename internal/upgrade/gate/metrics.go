package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/upgrade"
)

// metrics compares the requests of upgraded tenants with those of tenants that aren't yet.
//
// The label schema_version holds the version of the service that it is about, as a plain number: requests of a tenant at
// version 12 of core count under {service="core", schema_version="12"}. Series of the target's version are the upgraded
// tenants', those of older versions the others'; anything else is left aside.
type metrics struct {
	check  config.MetricsGate
	source *prometheus
}

func (g *metrics) look(ctx context.Context, p upgrade.Passage) (upgrade.Judgement, bool, error) {
	var f findings
	for _, target := range p.Targets {
		if g.check.Service == "" || g.check.Service == target.Service {
			c := &comparison{findings: &f, gate: g, target: target, window: window(p.Wave.Bake), began: p.Began}
			c.judge(ctx)
		}
	}
	if len(f.failures)+len(f.doubts)+len(f.fine) == 0 {
		f.pass("nothing to compare: the rollout doesn't upgrade %s", g.check.Service)
	}
	j, again := f.judgement()
	return j, again, nil
}

// window is the time that queries look back over: the bake, during which the wave's tenants were all upgraded. A shorter one
// than a minute would see too few of Prometheus' scrapes.
func window(bake time.Duration) time.Duration { return max(bake, time.Minute).Round(time.Second) }

// comparison judges one service.
type comparison struct {
	*findings
	gate   *metrics
	target upgrade.Target
	window time.Duration
	began  time.Time // of the wave
}

// cohort is the tenants of one side.
type cohort struct {
	versions []uint64
	value    float64
	requests float64
}

// side names a cohort: core at version 12 (800 requests).
func (c *comparison) side(of cohort) string {
	text := fmt.Sprintf("%s at version %s", c.target.Service, list(of.versions))
	if c.gate.check.MinSamples > 0 {
		text += fmt.Sprintf(" (%s requests)", short(math.Round(of.requests)))
	}
	return text
}

func (c *comparison) judge(ctx context.Context) {
	values, counts, err := c.ask(ctx, time.Time{})
	if err != nil {
		c.unanswered(err)
		return
	}
	upgraded, why := c.pick(values, counts, func(version uint64) bool { return version == c.target.Version })
	if why != "" {
		c.doubt("%s: of tenants at version %d there are %s in the last %s: wait for traffic or send some", c.target.Service, c.target.Version, why, span(c.window))
		return
	}
	check := c.gate.check
	if check.Max != nil && upgraded.value > *check.Max {
		c.figure(c.target.Service+" "+check.Name, upgraded.value, *check.Max, "")
		c.fail("%s of %s is %s (max %s)", check.Name, c.side(upgraded), short(upgraded.value), short(*check.Max))
		return
	}
	control, when, why := c.control(ctx, values, counts)
	switch {
	case why == "":
		c.compare(upgraded, control, when)
	case check.Max != nil:
		c.figure(c.target.Service+" "+check.Name, upgraded.value, *check.Max, "")
		c.pass("%s of %s is %s (max %s, which decides alone: %s)", check.Name, c.side(upgraded), short(upgraded.value), short(*check.Max), why)
	default:
		c.doubt("%s of %s is %s, with nothing to compare it with: %s; set max for the check %s to judge by that alone",
			check.Name, c.side(upgraded), short(upgraded.value), why, check.Name)
	}
}

// ask evaluates the check's queries.
func (c *comparison) ask(ctx context.Context, at time.Time) (values, counts byVersion, err error) {
	fill := strings.NewReplacer(config.PlaceService, c.target.Service, config.PlaceWindow, fmt.Sprintf("%ds", int(c.window.Seconds())))
	check := c.gate.check
	if values, err = c.gate.source.query(ctx, fill.Replace(check.Query), at); err != nil {
		return nil, nil, fmt.Errorf("its query: %w", err)
	}
	if check.MinSamples > 0 {
		if counts, err = c.gate.source.query(ctx, fill.Replace(check.Samples), at); err != nil {
			return nil, nil, fmt.Errorf("the query for the number of requests: %w", err)
		}
	}
	return values, counts, nil
}

func (c *comparison) unanswered(err error) {
	var refused *queryError
	c.doubt("%s: Prometheus at %s can't tell: %s", c.target.Service, c.gate.check.Prometheus, err)
	if errors.As(err, &refused) {
		c.lasting++
	}
}

// pick takes the versions of one side together, weighted by their requests where these are counted. why isn't "" where they
// don't make a number that can be compared.
func (c *comparison) pick(values, counts byVersion, belongs func(uint64) bool) (of cohort, why string) {
	var sum, weight float64
	odd := false
	for version, value := range values {
		if !belongs(version) {
			continue
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			odd = true // 0/0: no requests
			continue
		}
		requests := counts[version]
		of.versions = append(of.versions, version)
		of.requests += requests
		if counts == nil {
			requests = 1
		}
		sum, weight = sum+value*requests, weight+requests
	}
	slices.Sort(of.versions)
	least := float64(c.gate.check.MinSamples)
	switch {
	case len(of.versions) == 0 && odd:
		return of, "no requests from which a number could be made (NaN)"
	case len(of.versions) == 0:
		return of, "no series"
	case math.IsNaN(of.requests) || math.Round(of.requests) < least:
		return of, fmt.Sprintf("%s requests, of which %s are needed (minSamples)", short(math.Round(of.requests)), short(least))
	}
	of.value = sum / weight
	return of, ""
}

// control is the other side: tenants that aren't upgraded yet or, where too few are left, those that weren't before the wave.
// Prometheus remembers these, even where another process began the rollout.
func (c *comparison) control(ctx context.Context, values, counts byVersion) (of cohort, when, why string) {
	older := func(version uint64) bool { return version < c.target.Version }
	now, whyNow := c.pick(values, counts, older)
	if whyNow == "" {
		return now, "not yet upgraded", ""
	}
	values, counts, err := c.ask(ctx, c.began)
	if err != nil {
		return of, "", fmt.Sprintf("of older versions there are %s now, and of the time before the wave Prometheus can't tell: %s", whyNow, err)
	}
	before, whyBefore := c.pick(values, counts, older)
	if whyBefore == "" {
		return before, "before the wave, as too few are left now", ""
	}
	return of, "", fmt.Sprintf("of older versions there are %s now and, before the wave, %s", whyNow, whyBefore)
}

func (c *comparison) compare(upgraded, control cohort, when string) {
	check := c.gate.check
	limit := max(control.value*check.MaxRatio, control.value+check.MaxIncrease)
	c.figure(c.target.Service+" "+check.Name, upgraded.value, limit, "")
	c.figure(c.target.Service+" "+check.Name+" of older versions", control.value, limit, "")
	text := fmt.Sprintf("%s of %s is %s, against %s of %s, %s, over %s", check.Name, c.side(upgraded), short(upgraded.value),
		short(control.value), c.side(control), when, span(c.window))
	if upgraded.value > limit {
		c.fail("%s: more than %s times and more than %s above (maxRatio, maxIncrease); look at what these requests do at version %d",
			text, short(check.MaxRatio), short(check.MaxIncrease), c.target.Version)
		return
	}
	c.pass("%s (limit %s)", text, short(limit))
}

func list(versions []uint64) string {
	texts := make([]string, len(versions))
	for i, version := range versions {
		texts[i] = fmt.Sprint(version)
	}
	return strings.Join(texts, ", ")
}
