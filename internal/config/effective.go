package config

import (
	"fmt"
	"strconv"
	"strings"

	"tenantctl/internal/tenant"
)

// Effective lists every setting that holds with its origin: the program's options by the layers and, where f isn't nil, what
// the file comes to, defaults filled in. Secrets show as their references, or masked.
func Effective(f *File, l Layers) ([]Setting, error) {
	var settings []Setting
	for _, o := range Options() {
		if o.Name != OptionControlDSN {
			settings = append(settings, l.Get(o))
		}
	}
	if f == nil {
		return settings, nil
	}
	e := &effective{file: f.With(l), trees: f.trees(), settings: settings}
	e.control()
	e.instances()
	e.broker()
	e.add(e.file.KeysDir(), at("keysDir"))
	e.platform()
	e.services()
	e.rollout()
	for _, name := range f.tenants {
		if err := e.tenant(name); err != nil {
			return nil, err
		}
	}
	return e.settings, nil
}

// effective collects settings of the file.
type effective struct {
	file     *File
	trees    []*tree
	settings []Setting
}

// add notes a value under the first path; its origin is the first of the paths that the file has. An empty value that the
// file doesn't give is left out.
func (e *effective) add(value string, paths ...path) {
	origin := OriginDefault
	for _, p := range paths {
		if place, found := e.find(p); found {
			origin = fmt.Sprintf("%s:%d", place.File, place.Line)
			break
		}
	}
	if value != "" || origin != OriginDefault {
		e.settings = append(e.settings, Setting{Path: paths[0].String(), Value: value, Origin: origin})
	}
}

// number notes one that the file gives.
func (e *effective) number(value int, p path) {
	if value != 0 {
		e.add(strconv.Itoa(value), p)
	}
}

func (e *effective) find(p path) (Place, bool) {
	for _, t := range e.trees {
		if place, full := t.find(p); full {
			return place, true
		}
	}
	return Place{}, false
}

func (e *effective) control() {
	control := e.file.Control()
	switch {
	case e.file.control.Value != "":
		e.settings = append(e.settings, Setting{Path: "control.dsn", Value: control.DSN.String(), Origin: e.file.control.Origin})
	case control.Instance == "":
		e.secret(at("control"), "dsn", control.DSN)
	default:
		e.add("instance "+control.Instance, at("control", "dsn"))
	}
}

// secret shows the reference under the key that the file has it under.
func (e *effective) secret(p path, key string, s Secret) {
	if s.fromFile {
		e.add(s.text, p.key(key+"File"))
		return
	}
	e.add(s.String(), p.key(key))
}

func (e *effective) instances() {
	for _, in := range e.file.Instances() {
		p := at("instances", in.Name)
		if in.Local {
			e.add("private PostgreSQL of the local stack", p.key("dsn"))
		} else {
			e.secret(p, "dsn", in.DSN)
		}
		e.add(strconv.Itoa(in.TenantsPerCell), p.key("tenantsPerCell"))
		e.add(in.RolePrefix, p.key("rolePrefix"))
		e.add(in.CredentialsDir, p.key("credentialsDir"))
	}
}

func (e *effective) broker() {
	url, given := e.file.Broker()
	if !given {
		e.add("private RabbitMQ of the local stack", at("broker", "url"))
		return
	}
	e.secret(at("broker"), "url", url)
	e.add(e.file.BrokerNamespace(), at("broker", "namespace"))
	e.add(e.file.BrokerCA(), at("broker", "caFile"))
}

func (e *effective) services() {
	for _, s := range e.file.Streams() {
		p := at("services", s.Name)
		e.add(first(s.Dir, "builtin"), p.key("migrations"))
		version := "newest"
		if s.Pin > 0 {
			version = strconv.FormatUint(s.Pin, 10)
		}
		e.add(version, p.key("version"))
		e.add(s.Table, p.key("table"))
		e.add(s.URL, p.key("url"))
		e.add(string(s.Scope), p.key("scope"))
	}
}

func (e *effective) rollout() {
	r := e.file.Rollout()
	for i, ring := range r.Rings {
		p := at("rollout", "rings").item(i)
		e.add(ring.Name, p.key("name"))
		e.add(strconv.Itoa(ring.Parallel), p.key("parallel"))
		waves := make([]string, len(ring.Waves))
		for i, w := range ring.Waves {
			waves[i] = w.String()
		}
		e.add(strings.Join(waves, ", "), p.key("waves"))
		e.add(Duration(ring.Bake).String(), p.key("bake"))
	}
	e.add(strconv.Itoa(r.Budget.Failures), at("rollout", "budget", "failures"))
	e.add(strconv.Itoa(r.Budget.Percent), at("rollout", "budget", "percent"))
	e.add(strconv.Itoa(r.Budget.Consecutive), at("rollout", "budget", "consecutive"))
	e.gates(r.Gates)
}

func (e *effective) tenant(name tenant.Name) error {
	spec, err := e.file.Tenant(name)
	if err != nil {
		return err
	}
	p := at("tenants", string(name))
	e.add(spec.Instance, p.key("instance"))
	e.add(spec.Schema, p.key("schema"), at("defaults", "schema"))
	e.add(spec.Ring, p.key("ring"), at("defaults", "ring"))
	e.add(string(spec.State), p.key("state"))
	e.add(strings.Join(spec.Services, ", "), p.key("services"))
	for _, limit := range []struct{ key, value string }{
		{"statementTimeout", Duration(spec.Limits.StatementTimeout).String()},
		{"requestsPerSecond", strconv.Itoa(spec.Limits.RequestsPerSecond)},
		{"jobs", strconv.Itoa(spec.Limits.Jobs)},
		{"weight", strconv.Itoa(spec.Limits.Weight)},
	} {
		e.add(limit.value, p.key("limits", limit.key), at("defaults", "limits", limit.key))
	}
	if spec.Legacy {
		dsn, err := e.file.LegacyDSN(name)
		if err != nil {
			return err
		}
		e.secret(p.key("legacy"), "dsn", dsn)
		e.add(first(spec.Mapping, "none: lift"), p.key("legacy", "mapping"))
		e.add(e.file.LegacyURL(name), p.key("legacy", "url"))
	}
	e.add(spec.Upstream, p.key("upstream"))
	if move, moves := e.file.Move(name); moves {
		e.add(move.Mode, p.key("move", "mode"))
		e.add(move.Until, p.key("move", "until"))
		e.add(move.Window.String(), p.key("move", "window"))
	}
	if deletion, confirmed := e.file.Deletion(name); confirmed {
		e.add(string(name), p.key("deletion", "confirm"))
		e.add(Duration(deletion.Retention).String(), p.key("deletion", "retention"))
	}
	return nil
}
