package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunningServices(t *testing.T) {
	t.Parallel()
	ctx, b := setup(t)
	core := RunningService{ID: "a", Service: "core", URL: "http://127.0.0.1:1", Build: "v1", Serves: map[string]ServedRange{"core": {From: 4, To: 7}}, Calls: []string{"users"}}
	require.NoError(t, b.ServiceSeen(ctx, core))
	require.NoError(t, b.ServiceSeen(ctx, RunningService{ID: "b", Service: "auth", Build: "v1"}))
	core.Build = "v2"
	require.NoError(t, b.ServiceSeen(ctx, core), "a heartbeat renews what is known")
	running, err := b.Running(ctx)
	require.NoError(t, err)
	require.Len(t, running, 2)
	require.Equal(t, "auth", running[0].Service)
	require.Empty(t, running[0].Serves)
	core.Started, core.Seen = running[1].Started, running[1].Seen
	require.Equal(t, core, running[1])

	_, err = b.Pool().Exec(ctx, `update tenantctl.running_service set heartbeat = now() - interval '11 seconds' where id = 'a'`)
	require.NoError(t, err)
	require.NoError(t, b.ServiceGone(ctx, "b"))
	running, err = b.Running(ctx)
	require.NoError(t, err)
	require.Empty(t, running, "one died, one said that it ends")
}
