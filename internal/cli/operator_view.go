package cli

import (
	"context"
	"net/http"
	"sync"

	"tenantctl/internal/config"
	"tenantctl/internal/operator"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/registry"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/records"
)

// operatorView is what dashboards see through an operator: the records beside the content of tenants.yaml that it has.
type operatorView struct {
	f        *Factory
	operator *operator.Operator
	records  *registry.Registry

	mu    sync.Mutex
	file  *config.File // that shown was made of
	shown *records.Source
}

func (v *operatorView) source() (tui.Source, error) {
	file := v.operator.Declared()
	if file == nil {
		return nil, service.Refuse(http.StatusServiceUnavailable, "not-ready", "the operator has read no tenants.yaml yet")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if file == v.file {
		return v.shown, nil
	}
	made, err := v.f.with(file, v.records).dashboardSource()
	if err != nil {
		return nil, err
	}
	// Who asks the one before has what it needs: connections are made for one question.
	if v.shown != nil {
		v.shown.Close()
	}
	v.file, v.shown = file, made
	return made, nil
}

func (v *operatorView) close(context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown != nil {
		v.shown.Close()
	}
}
