package events_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operator"
	"tenantctl/internal/operator/events"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func TestTheSchemaIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := events.Schema()
	require.NoError(t, err)
	kept, err := os.ReadFile("../../../docs/events.schema.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(kept), "run: make generate")
}

// TestEveryTypeIsKnown looks for names of types in the code, those that are put together at run time left out.
func TestEveryTypeIsKnown(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, kind := range events.Kinds() {
		require.False(t, known[kind.Type], kind.Type)
		known[kind.Type] = true
	}
	out, err := exec.Command("grep", "-rhoE", "--include=*.go", "--include=*.sql", "--exclude=*_test.go",
		`(publish\(ctx|tell\(ctx|Type:|select|values \(|then|else) ?,? ?["'](tenant|operation|rollout|operator|lease|login)\.[a-z_.-]+["']`,
		"../../migrate", "../../operator", "../../provision", "../../registry", "../../upgrade", "../../cli").Output()
	require.NoError(t, err)
	found := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		name := regexp.MustCompile(`["'](.+)["']`).FindStringSubmatch(line)[1]
		found++
		if strings.HasSuffix(name, "_") || strings.HasSuffix(name, ".") { // the beginning of one
			continue
		}
		require.True(t, known[name], "%s is told and isn't described: %s", name, line)
	}
	require.Greater(t, found, 20)
}

// TestWhatIsToldIsAsDescribed has the records tell of all that can happen to a tenant. What operators, moves and rollouts tell is held
// against the schema where they run (test/operator).
func TestWhatIsToldIsAsDescribed(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	ctx, r := t.Context(), f.Records
	f.Provision(t, "a")
	spec := f.Spec("a")
	spec.Ring = "canary"
	require.NoError(t, r.UpsertTenant(ctx, spec, "ann"))
	require.NoError(t, r.SetState(ctx, "a", tenant.Suspended, "ann", "ticket"))
	require.NoError(t, r.SetLimits(ctx, "a", tenant.Limits{Jobs: 7}, "ann"))
	require.NoError(t, r.SetVersions(ctx, "a", map[string]tenant.Version{"core": {Number: 3}}, "ann"))
	require.NoError(t, r.SetSearchPath(ctx, "a", []string{"tenant_a", "tenant_a__more"}, "ann"))
	_, err := r.SetRoute(ctx, "a", tenant.RouteHold, "ann")
	require.NoError(t, err)
	for _, name := range []tenant.Name{"a", ""} {
		require.NoError(t, r.SetOverride(ctx, registry.Override{Tenant: name, Kind: "pause", Value: "on", Actor: "ann", Reason: "ticket"}))
		require.NoError(t, r.ClearOverride(ctx, name, "pause", "ann"))
	}
	for _, ends := range []tenant.OperationState{tenant.OperationFailed, tenant.OperationStopped, tenant.OperationDone, tenant.OperationUndone} {
		op, _, err := r.Begin(ctx, "a", "migrate", "ann", "", nil)
		require.NoError(t, err)
		for _, cause := range []error{errors.New("no"), nil} {
			attempt, err := r.StepStarted(ctx, op.ID, "copy")
			require.NoError(t, err)
			require.NoError(t, r.StepEnded(ctx, op.ID, "copy", attempt, cause))
		}
		require.NoError(t, r.Finish(ctx, op.ID, ends, nil))
	}
	require.NoError(t, f.Provisioner.RotateLogin(ctx, "c1", "core"))
	require.NoError(t, r.DeleteTenant(ctx, "a", "ann", "gone"))
	all, err := r.Events(ctx, 0, registry.EventFilter{})
	require.NoError(t, err)
	described, types := fleet.EventSchema(t), map[string]bool{}
	for _, e := range all {
		body, err := json.Marshal(operator.CloudEventOf(e))
		require.NoError(t, err)
		require.NoError(t, described(body))
		types[e.Type] = true
	}
	require.Len(t, types, 21, "%v", types)
	require.Error(t, described([]byte(`{"specversion":"1.0","id":"1","source":"tenantctl","type":"tenant.routed","subject":"a","time":"2026-11-27T09:00:00Z","datacontenttype":"application/json","data":{"message":"x","detail":{"from":"legacy"}}}`)))
}
