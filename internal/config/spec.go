package config

import (
	"slices"
	"time"

	"tenantctl/internal/tenant"
)

// spec fills in the defaults. The error can only be one of the schema's name, which loading has checked.
func (f *File) spec(name tenant.Name, t *declaredTenant) (tenant.Spec, error) {
	schema, err := name.SchemaFor(first(t.Schema, f.doc.Defaults.Schema, DefaultSchema))
	if err != nil {
		return tenant.Spec{}, err
	}
	spec := tenant.Spec{
		Name: name, Instance: f.instanceOf(t), Schema: schema,
		Ring:     first(t.Ring, f.doc.Defaults.Ring, DefaultRing),
		State:    tenant.State(first(string(t.State), string(tenant.Active))),
		Services: f.servicesOf(t), Limits: f.limitsOf(t),
		Legacy: t.Legacy != nil, Upstream: string(t.Upstream),
	}
	if t.Legacy != nil && t.Legacy.Mapping != "" {
		spec.Mapping = f.relative(t.Legacy.Mapping)
	}
	return spec, nil
}

func (f *File) instanceOf(t *declaredTenant) string {
	if t.Instance != "" {
		return t.Instance
	}
	switch len(f.doc.Instances.entries) {
	case 0:
		return LocalInstance
	case 1:
		return f.doc.Instances.entries[0].Name
	}
	return ""
}

// servicesOf are the streams of a tenant in dependency order, whatever order it names them in.
func (f *File) servicesOf(t *declaredTenant) []string {
	if t.Services == nil && t.lifted() {
		return nil
	}
	var names []string
	for i := range f.doc.Services.entries {
		e := &f.doc.Services.entries[i]
		if t.Services == nil && e.Value.scope(e.Name) != ScopeInstance || slices.Contains(t.Services, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}

// lifted tells whether the tenant's data is a legacy schema, moved as it is.
func (t *declaredTenant) lifted() bool { return t.Legacy != nil && t.Legacy.Mapping == "" }

func (f *File) limitsOf(t *declaredTenant) tenant.Limits {
	own, common := t.Limits, &f.doc.Defaults.Limits
	if own == nil {
		own = &limits{}
	}
	return tenant.Limits{
		StatementTimeout:  time.Duration(first(own.StatementTimeout, common.StatementTimeout, Duration(tenant.DefaultStatementTimeout))),
		RequestsPerSecond: first(own.RequestsPerSecond, common.RequestsPerSecond, DefaultRequestsPerSecond),
		Jobs:              first(own.Jobs, common.Jobs, DefaultJobs),
		Weight:            first(own.Weight, common.Weight, DefaultWeight),
	}
}
