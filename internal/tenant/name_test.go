package tenant_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestOfRoleIsRoleForTheOtherWayRound(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "eu_", "t_"} {
		for _, name := range []tenant.Name{"acme", "client-x", "t-1"} {
			for _, service := range []string{"core", "order-mails"} {
				role, err := name.RoleFor(prefix, service)
				require.NoError(t, err)
				gotName, gotService, err := tenant.OfRole(prefix, role)
				require.NoError(t, err)
				require.Equal(t, name, gotName)
				require.Equal(t, service, gotService)
			}
		}
	}
	for _, role := range []string{"", "postgres", "eu_t_acme", "t_acme__core", "eu_t_a me__core", "eu_tenantctl_shared__bus"} {
		_, _, err := tenant.OfRole("eu_", role)
		require.ErrorContains(t, err, "is no tenant's", role)
	}
}
