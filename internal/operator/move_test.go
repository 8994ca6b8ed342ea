package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/tenant"
)

// A move goes as far as it is declared to, waits for its window before the fence, and isn't left behind it.
func TestHowFarAMoveGoes(t *testing.T) {
	t.Parallel()
	stopped := func(phase string) *tenant.Operation {
		return &tenant.Operation{Kind: migrate.Kind, Phase: phase, State: tenant.OperationStopped}
	}
	failed := func(phase string) *tenant.Operation {
		return &tenant.Operation{Kind: migrate.Kind, Phase: phase, State: tenant.OperationFailed}
	}
	in, out := "Sat 02:00-05:00 Europe/Berlin", "Sun 02:00-05:00 Europe/Berlin"
	now := time.Date(2026, 11, 28, 2, 30, 0, 0, time.UTC) // 03:30 there
	for _, test := range []struct {
		name, move string
		op         *tenant.Operation
		route      tenant.Route
		override   string
		moves      bool
		stop       string
	}{
		{name: "all of it", move: "{}", moves: true},
		{name: "until verify", move: "{ until: verify }", moves: true, stop: migrate.PhaseCutover},
		{name: "until verify, and there", move: "{ until: verify }", op: stopped(migrate.PhaseVerify), stop: migrate.PhaseCutover},
		{name: "until inspect", move: "{ until: inspect }", moves: true, stop: migrate.PhaseProvision},
		{name: "within the window", move: `{ window: "` + in + `" }`, moves: true},
		{name: "before the window", move: `{ window: "` + out + `" }`, moves: true, stop: migrate.PhaseFence},
		{name: "prepared, before the window", move: `{ window: "` + out + `" }`, op: stopped(migrate.PhaseSchema), stop: migrate.PhaseFence},
		{name: "prepared, within the window", move: `{ window: "` + in + `" }`, op: stopped(migrate.PhaseSchema), moves: true},
		{name: "behind the fence when the window closed", move: `{ window: "` + out + `" }`, op: failed(migrate.PhaseCopy), moves: true},
		{name: "rolled back by hand", move: "{}", override: "move=off"},
		{name: "moved", move: "{}", route: tenant.RoutePlatform},
		{name: "moved, and to be completed", move: "{ until: complete }", route: tenant.RoutePlatform, moves: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, err := config.Parse("tenants.yaml", []byte("version: 1\ntenants:\n  m: { legacy: { dsn: '${L}' }, move: "+test.move+" }\n"))
			require.NoError(t, err)
			spec, err := file.Tenant("m")
			require.NoError(t, err)
			if test.route == "" {
				test.route = tenant.RouteLegacy
			}
			v := &view{loaded: newLoaded(file, &shop{}), now: now}
			m := reconcile.Tenant{Name: "m", Declared: true, Spec: spec, Status: &tenant.Status{
				Name: "m", State: tenant.Active, Route: test.route, Override: test.override, Operation: test.op,
			}}
			require.Equal(t, test.moves, v.moves(m))
			require.Equal(t, test.stop, v.stopBefore(m))
		})
	}
}
