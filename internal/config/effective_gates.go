package config

import "strconv"

// gates shows what must hold after each wave.
func (e *effective) gates(g Gates) {
	top := at("rollout", "gates")
	e.add(strconv.Itoa(g.Attempts), top.key("attempts"))
	e.add(Duration(g.Interval).String(), top.key("interval"))
	e.databaseGate(top.key("database"), g.Database)
	e.servicesGate(top.key("services"), g.Services)
	for i, check := range g.Metrics {
		e.metricsGate(top.key("metrics").item(i), check)
	}
	for i, check := range g.HTTP {
		p := top.key("http").item(i)
		e.add(check.Name, p.key("name"))
		e.secret(p, "url", check.URL)
		e.headers(p.key("headers"), check.Headers)
		e.add(Duration(check.Timeout).String(), p.key("timeout"))
	}
}

func (e *effective) databaseGate(p path, g *DatabaseGate) {
	if g == nil {
		e.add("true", p.key("off"))
		return
	}
	for _, limit := range []struct{ key, value string }{
		{"lockWaiters", strconv.Itoa(g.LockWaiters)},
		{"waitedLongerThan", Duration(g.WaitedLongerThan).String()},
		{"replicationLag", Duration(g.ReplicationLag).String()},
		{"replicationBytes", g.ReplicationBytes.String()},
		{"slotWAL", g.SlotWAL.String()},
		{"oldestTransaction", Duration(g.OldestTransaction).String()},
		{"invalidIndexes", strconv.Itoa(g.InvalidIndexes)},
		{"samples", strconv.Itoa(g.Samples)},
	} {
		e.add(limit.value, p.key(limit.key))
	}
}

func (e *effective) servicesGate(p path, g *ServicesGate) {
	if g == nil {
		e.add("true", p.key("off"))
		return
	}
	e.add(strconv.Itoa(g.MinSamples), p.key("minSamples"))
	e.add(plainNumber(g.MaxRatio), p.key("maxRatio"))
	e.add(plainNumber(g.ErrorIncrease), p.key("errorIncrease"))
	e.add(Duration(g.LatencyIncrease).String(), p.key("latencyIncrease"))
	e.add(string(g.Quiet), p.key("quiet"))
	e.add(Duration(g.Timeout).String(), p.key("timeout"))
}

func (e *effective) metricsGate(p path, g MetricsGate) {
	e.add(g.Name, p.key("name"))
	e.secret(p, "prometheus", g.Prometheus)
	e.headers(p.key("headers"), g.Headers)
	e.add(g.Query, p.key("query"))
	e.add(g.Samples, p.key("samples"))
	e.add(first(g.Service, "each that is upgraded"), p.key("service"))
	e.add(strconv.Itoa(g.MinSamples), p.key("minSamples"))
	e.add(plainNumber(g.MaxRatio), p.key("maxRatio"))
	e.add(plainNumber(g.MaxIncrease), p.key("maxIncrease"))
	if g.Max != nil {
		e.add(plainNumber(*g.Max), p.key("max"))
	}
	e.add(Duration(g.Timeout).String(), p.key("timeout"))
}

func (e *effective) headers(p path, all []Header) {
	for _, h := range all {
		e.secret(p, h.Name, h.Value)
	}
}

func plainNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
