package records

import (
	"strings"

	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
)

// differences are what tenants.yaml says otherwise than the records: what `tenantctl apply`, or an operator, would change.
func differences(spec tenant.Spec, status tenant.Status) []tui.Difference {
	var found []tui.Difference
	for _, d := range []tui.Difference{
		{What: "state", Declared: string(spec.State), Recorded: string(status.State)},
		{What: "instance", Declared: spec.Instance, Recorded: status.Instance},
		{What: "schema", Declared: spec.Schema, Recorded: status.Schema},
		{What: "ring", Declared: spec.Ring, Recorded: status.Ring},
		{What: "services", Declared: strings.Join(spec.Services, ", "), Recorded: strings.Join(status.Services, ", ")},
		{What: "limits", Declared: tui.LimitsText(spec.Limits), Recorded: tui.LimitsText(status.Limits)},
		{What: "upstream", Declared: spec.Upstream, Recorded: status.Upstream},
	} {
		if d.Declared != d.Recorded {
			found = append(found, d)
		}
	}
	return found
}
