package cli

import (
	"fmt"
	"os"
	"strings"

	"tenantctl/internal/config"
	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/platform/messaging"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// builtins are the streams that come with the program, as `migrations: builtin` names them by their service.
func builtins() map[string]func() (*stream.Stream, error) {
	return map[string]func() (*stream.Stream, error){
		users.Service: users.Stream, auth.Service: auth.Stream, core.Service: core.Stream, legacy.Service: legacy.Stream,
		notifications.Service: notifications.Stream, messaging.Service: messaging.Stream,
		bus.Service: bus.Stream, jobs.Service: jobs.Stream,
	}
}

// builtinStream reads a stream of the program itself.
func builtinStream(service string) (*stream.Stream, error) {
	read, found := builtins()[service]
	if !found {
		return nil, tenant.WithHint(&invalidUsage{fmt.Sprintf("service %q has no builtin migrations", service)},
			"the builtin services are: "+strings.Join([]string{bus.Service, jobs.Service, users.Service, auth.Service, core.Service, notifications.Service, messaging.Service}, ", ")+"; for a service of your own write `migrations: ./folder`")
	}
	return read()
}

// readStream reads the migrations of a declared service and checks its pin.
func readStream(declared config.Stream) (*stream.Stream, error) {
	var s *stream.Stream
	var err error
	if declared.Builtin {
		s, err = builtinStream(declared.Name)
	} else {
		s, err = stream.Read(declared.Name, os.DirFS(declared.Dir))
	}
	if err != nil {
		return nil, err
	}
	if declared.Pin > 0 {
		if _, err := s.File(declared.Pin); err != nil {
			return nil, tenant.WithHint(fmt.Errorf("services.%s.version: %w: %w", declared.Name, err, tenant.ErrInvalid),
				"pin a version that its files have, or leave `version` out for the newest")
		}
	}
	s.VersionTable = declared.Table
	if declared.Scope == config.ScopeInstance {
		s.Scope = stream.PerInstance
	}
	return s, nil
}
