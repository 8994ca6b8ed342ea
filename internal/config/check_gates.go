package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// placeholder is a word in braces: PromQL has none, since a selector needs an operator.
var placeholder = regexp.MustCompile(`[{][A-Za-z_]+[}]`)

// gates checks the gates of rollouts: names once, queries that say which service they are about.
func (c *checker) gates() {
	declared, top := &c.file.doc.Rollout.Gates, at("rollout", "gates")
	seen := map[string]bool{}
	for i := range declared.Metrics {
		g, at := &declared.Metrics[i], top.key("metrics").item(i)
		c.gateName(at, g.Name, seen)
		c.metrics(at, g)
	}
	seen = map[string]bool{}
	for i := range declared.HTTP {
		c.gateName(top.key("http").item(i), declared.HTTP[i].Name, seen)
	}
}

func (c *checker) gateName(at path, name string, seen map[string]bool) {
	if name != "" && seen[name] {
		c.problem(at.key("name"), "there is a check called %q already; each needs a name of its own", name)
	}
	seen[name] = true
}

func (c *checker) metrics(at path, g *metricsGate) {
	known := slices.Sorted(maps.Keys(knownChecks()))
	if g.Name != "" && g.Query == "" && !slices.Contains(known, g.Name) {
		c.problem(at, "needs the key query: only the checks %s have one of their own%s", strings.Join(known, " and "), perhaps(nearest(g.Name, known)))
	}
	for _, q := range []struct{ key, text string }{{"query", g.Query}, {"samples", g.Samples}} {
		for _, word := range placeholder.FindAllString(q.text, -1) {
			if word != PlaceService && word != PlaceWindow {
				c.problem(at.key(q.key), "unknown placeholder %s%s", word, perhaps(nearest(word, []string{PlaceService, PlaceWindow})))
			}
		}
		if q.text != "" && g.Service == "" && !strings.Contains(q.text, PlaceService) {
			c.problem(at.key(q.key), "doesn't say which service it is about: write %s where its name goes, or name one with the key service", PlaceService)
		}
	}
	if services := &c.file.doc.Services; g.Service != "" && !c.broken["services"] && services.get(g.Service) == nil {
		c.problem(at.key("service"), "no service is called %q%s", g.Service, didYouMean(g.Service, services.names(), "services"))
	}
}
