package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"tenantctl/internal/tenant"
)

// checker finds what no single value shows: references that lead nowhere, names that collide.
type checker struct {
	file     *File
	trees    []*tree // parsed again when the first problem asks for its place
	problems Problems
	told     map[string]bool // paths with a problem already
	broken   map[string]bool // sections that weren't decoded whole: what they lack may be there

	instances []string
	ringNames []string
}

func newChecker(f *File) *checker {
	c := &checker{file: f, told: map[string]bool{}, broken: map[string]bool{}, instances: f.instanceNames()}
	for _, r := range f.Rollout().Rings {
		c.ringNames = append(c.ringNames, r.Name)
	}
	return c
}

// check gives the problems that decoding hasn't found.
func check(f *File, known Problems) Problems {
	c := newChecker(f)
	for _, p := range known {
		c.told[p.Path] = true
		section, _, _ := strings.Cut(p.Path, ".")
		section, _, _ = strings.Cut(section, "[")
		c.broken[section] = true
	}
	c.rings()
	c.gates()
	c.platform()
	c.services()
	c.tenants()
	c.schemas()
	return c.problems
}

// problem adds one, unless its path has one: the second would only follow from the first.
func (c *checker) problem(p path, format string, args ...any) {
	text := p.String()
	if c.told[text] {
		return
	}
	c.told[text] = true
	c.problems = append(c.problems, &Problem{Place: c.find(p), Path: text, Message: fmt.Sprintf(format, args...)})
}

// find is the place of a value in whichever file has it, or of what of its path is there.
func (c *checker) find(p path) Place {
	if c.trees == nil {
		c.trees = c.file.trees()
	}
	for n := len(p); n > 0; n-- {
		for _, t := range c.trees {
			if place, full := t.find(p[:n]); full {
				return place
			}
		}
	}
	return c.trees[0].place(c.trees[0].root)
}

func (c *checker) rings() {
	seen := map[string]int{}
	for i, r := range c.file.doc.Rollout.Rings {
		at := at("rollout", "rings").item(i)
		if before, twice := seen[r.Name]; twice && r.Name != "" {
			c.problem(at.key("name"), "ring %q is declared twice; the first is rollout.rings[%d]", r.Name, before)
		}
		seen[r.Name] = i
		c.waves(at.key("waves"), r.Waves)
	}
	if ring := c.file.doc.Defaults.Ring; ring != "" {
		c.ring(at("defaults", "ring"), ring)
	}
}

func (c *checker) waves(at path, waves []Percent) {
	for i, w := range waves {
		switch {
		case w <= 0:
			c.problem(at.item(i), "a wave must take more than 0%%")
		case i > 0 && w <= waves[i-1]:
			c.problem(at.item(i), "waves are cumulative, so each is more than the one before; %s follows %s", w, waves[i-1])
		}
	}
	if n := len(waves); n > 0 && waves[n-1] != 100 {
		c.problem(at.item(n-1), "the last wave must be 100%%, or the rest of the ring would never be upgraded")
	}
}

// ring checks a reference to a ring.
func (c *checker) ring(at path, name string) {
	if c.broken["rollout"] {
		return
	}
	if slices.Contains(c.ringNames, name) {
		return
	}
	if len(c.file.doc.Rollout.Rings) == 0 {
		c.problem(at, "no ring is called %q; declare it under rollout.rings", name)
		return
	}
	c.problem(at, "no ring is called %q%s", name, didYouMean(name, c.ringNames, "rings"))
}

// services finds streams of the program itself that are declared to be what they aren't.
func (c *checker) services() {
	for i := range c.file.doc.Services.entries {
		e := &c.file.doc.Services.entries[i]
		if e.Value.Scope == string(ScopeTenant) && e.Value.scope(e.Name) == ScopeInstance {
			c.problem(at("services", e.Name, "scope"), "the builtin %s is there once on each instance; leave scope out", e.Name)
		}
	}
}

func (c *checker) tenants() {
	ringless := 0
	for i := range c.file.doc.Tenants.entries {
		e := &c.file.doc.Tenants.entries[i]
		at := at("tenants", e.Name)
		c.instanceOf(at, e.Value.Instance)
		c.servicesOf(at, &e.Value)
		if e.Value.Move != nil && e.Value.Legacy == nil {
			c.problem(at.key("move"), "there is nothing to move: the tenant has no legacy database; add legacy: or leave move: out")
		}
		if e.Value.Deletion != nil && e.Value.Deletion.Confirm != e.Name {
			c.problem(at.key("deletion").key("confirm"), "has to be the tenant's name, %q: without it nothing is removed", e.Name)
		}
		if e.Value.Ring == "" {
			ringless++
		} else {
			c.ring(at.key("ring"), e.Value.Ring)
		}
	}
	if ringless > 0 && c.file.doc.Defaults.Ring == "" {
		c.generalRing(ringless)
	}
}

// generalRing says once, not for every tenant, that the default ring isn't declared.
func (c *checker) generalRing(ringless int) {
	if slices.Contains(c.ringNames, DefaultRing) {
		return
	}
	if !c.broken["rollout"] && !c.broken["defaults"] {
		c.problem(at("rollout", "rings"), "%s no ring, and none is called %q; declare it, or name another in defaults.ring",
			counted(ringless, "tenant names", "tenants name"), DefaultRing)
	}
}

func (c *checker) instanceOf(at path, name string) {
	if c.broken["instances"] {
		return
	}
	switch {
	case name == "" && len(c.instances) > 1:
		c.problem(at, "needs the key instance: there are %d, %s", len(c.instances), strings.Join(c.instances, ", "))
	case name == "" || slices.Contains(c.instances, name):
	case len(c.file.doc.Instances.entries) == 0:
		c.problem(at.key("instance"), "no instance is called %q; declare it under instances", name)
	default:
		c.problem(at.key("instance"), "no instance is called %q%s", name, didYouMean(name, c.instances, "instances"))
	}
}

func (c *checker) servicesOf(at path, t *declaredTenant) {
	if c.broken["services"] {
		return
	}
	for i, name := range t.Services {
		declared := c.file.doc.Services.get(name)
		switch {
		case name == "": // decoding has told
		case declared == nil:
			c.problem(at.key("services").item(i), "no service is called %q%s", name, didYouMean(name, c.file.doc.Services.names(), "services"))
		case declared.scope(name) == ScopeInstance:
			c.problem(at.key("services").item(i), "service %q has scope instance: its tables are there once for all tenants; leave it out here", name)
		}
	}
}

// CheckFiles finds mapping files and migration folders that the file names and that aren't there. Loading doesn't look at them:
// a command about one tenant needs the files of that tenant only. The error is Problems.
func (f *File) CheckFiles() error {
	c := newChecker(f)
	for _, s := range f.Streams() {
		if info, err := os.Stat(s.Dir); !s.Builtin && (err != nil || !info.IsDir()) {
			c.problem(at("services", s.Name, "migrations"), "there is no folder %s", s.Dir)
		}
	}
	for i := range f.doc.Tenants.entries {
		e := &f.doc.Tenants.entries[i]
		if e.Value.Legacy == nil || e.Value.Legacy.Mapping == "" {
			continue
		}
		mapping := f.relative(e.Value.Legacy.Mapping)
		if info, err := os.Stat(mapping); err != nil || info.IsDir() {
			c.problem(at("tenants", e.Name, "legacy", "mapping"), "there is no file %s; draft one with `tenantctl inspect %s --write-mapping`", mapping, e.Name)
		}
	}
	if len(c.problems) > 0 {
		return c.problems.sorted(f.fileNames())
	}
	return nil
}

// trees parses the files again, which have been found to be YAML: to keep what yaml.v3 makes of 10,000 tenants would take
// more memory than a whole migration.
func (f *File) trees() []*tree {
	trees := make([]*tree, 0, len(f.sources))
	for _, s := range f.sources {
		if root, err := s.parse(); err == nil {
			trees = append(trees, newTree(s.name, root))
		}
	}
	return trees
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// specOf is a tenant's spec while the file is being checked; false where its name or schema is a problem of its own.
func (c *checker) specOf(e *entry[declaredTenant]) (tenant.Spec, bool) {
	if _, err := tenant.ParseName(e.Name); err != nil {
		return tenant.Spec{}, false
	}
	spec, err := c.file.spec(tenant.Name(e.Name), &e.Value)
	return spec, err == nil
}
