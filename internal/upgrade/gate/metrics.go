package gate

import (
	"cmp"
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
	source source
}

// source is who knows the number that a check compares.
type source interface {
	// ask gives a check's number for each version of the service, and how many requests it rests on; nil where these aren't counted.
	// before asks for the time before the wave.
	ask(ctx context.Context, c *comparison, before bool) (values, counts byVersion, err error)
	// String names the source for people.
	String() string
	// alone says how to judge a check by the upgraded tenants' number alone.
	alone(check string) string
}

func (g *metrics) look(ctx context.Context, p upgrade.Passage) (upgrade.Judgement, bool, error) {
	var f findings
	for _, target := range p.Brought() {
		if g.check.Service == "" || g.check.Service == target.Service {
			c := &comparison{findings: &f, check: g.check, source: g.source, target: target, window: window(p.Wave.Bake), began: p.Began, quiet: f.doubt, advice: waitForTraffic}
			c.judge(ctx)
		}
	}
	if len(f.failures)+len(f.doubts)+len(f.fine) == 0 {
		f.pass("nothing to compare: the rollout doesn't upgrade %s", cmp.Or(g.check.Service, "any service here"))
	}
	j, again := f.judgement()
	return j, again, nil
}

const waitForTraffic = ": wait for traffic or send some"

// window is the time that queries look back over: the bake, during which the wave's tenants were all upgraded. A shorter one
// than a minute would see too few of Prometheus' scrapes.
func window(bake time.Duration) time.Duration { return max(bake, time.Minute).Round(time.Second) }

// comparison judges one service.
type comparison struct {
	*findings
	check  config.MetricsGate
	source source
	target upgrade.Target
	window time.Duration
	began  time.Time                        // of the wave
	quiet  func(format string, args ...any) // what too few requests come to
	advice string                           // then
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
	if c.check.MinSamples > 0 {
		text += fmt.Sprintf(" (%s requests)", short(math.Round(of.requests)))
	}
	return text
}

// judge tells whether there was enough on either side to be compared.
func (c *comparison) judge(ctx context.Context) (compared bool) {
	values, counts, err := c.source.ask(ctx, c, false)
	if err != nil {
		c.unanswered(err)
		return false
	}
	upgraded, why := c.pick(values, counts, func(version uint64) bool { return version == c.target.Version })
	if why != "" {
		c.quiet("%s: of tenants at version %d there are %s in the last %s%s", c.target.Service, c.target.Version, why, span(c.window), c.advice)
		return false
	}
	check := c.check
	if check.Max != nil && upgraded.value > *check.Max {
		c.figure(c.target.Service+" "+check.Name, upgraded.value, *check.Max, "")
		c.fail("%s of %s is %s (max %s)", check.Name, c.side(upgraded), short(upgraded.value), short(*check.Max))
		return true
	}
	control, when, why := c.control(ctx, values, counts)
	switch {
	case why == "":
		c.compare(upgraded, control, when)
	case check.Max != nil:
		c.figure(c.target.Service+" "+check.Name, upgraded.value, *check.Max, "")
		c.pass("%s of %s is %s (max %s, which decides alone: %s)", check.Name, c.side(upgraded), short(upgraded.value), short(*check.Max), why)
	default:
		c.quiet("%s of %s is %s, with nothing to compare it with: %s%s", check.Name, c.side(upgraded), short(upgraded.value), why, c.source.alone(check.Name))
		return false
	}
	return true
}

func (c *comparison) unanswered(err error) {
	var refused *queryError
	c.doubt("%s: %s can't tell: %s", c.target.Service, c.source, err)
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
	least := float64(c.check.MinSamples)
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
// The source remembers these, even where another process began the rollout.
func (c *comparison) control(ctx context.Context, values, counts byVersion) (of cohort, when, why string) {
	older := func(version uint64) bool { return version < c.target.Version }
	now, whyNow := c.pick(values, counts, older)
	if whyNow == "" {
		return now, "not yet upgraded", ""
	}
	values, counts, err := c.source.ask(ctx, c, true)
	if err != nil {
		return of, "", fmt.Sprintf("of older versions there are %s now, and of the time before the wave %s can't tell: %s", whyNow, c.source, err)
	}
	before, whyBefore := c.pick(values, counts, older)
	if whyBefore == "" {
		return before, "before the wave, as too few are left now", ""
	}
	return of, "", fmt.Sprintf("of older versions there are %s now and, before the wave, %s", whyNow, whyBefore)
}

func (c *comparison) compare(upgraded, control cohort, when string) {
	check := c.check
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
