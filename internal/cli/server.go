package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui/remote"
)

// serverFlags say which operator is asked in place of the control database.
type serverFlags struct {
	Server    string
	TokenFile string
}

func (s *serverFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.Server, "server", "", "ask the status API of an operator, at this address, in place of file and database")
	cmd.Flags().StringVar(&s.TokenFile, "token-file", "", "file with the token for --server")
}

func (s *serverFlags) check(cmd *cobra.Command) error {
	if (s.Server == "") != (s.TokenFile == "") {
		return usageError(cmd, "", "--server and --token-file go together")
	}
	return nil
}

// client is who asks the operator.
func (s *serverFlags) client() (*remote.Client, error) {
	client, err := remote.NewClient(s.Server, s.TokenFile)
	if err != nil {
		return nil, tenant.WithHint(&invalidUsage{"--server: " + err.Error()}, "it looks like http://operator:8090")
	}
	return client, nil
}

// reach tells whether what an operator tells of can be changed from here: commands work on the control database that tenants.yaml
// names, which must answer, and be the operator's.
type reach struct {
	factory *Factory
	from    remote.Source
	same    bool // it was seen to be the operator's
}

// why is the reason that it can't; "" where it can.
func (r *reach) why(ctx context.Context) string {
	const need = "what is done here needs tenants.yaml and its control database: "
	records, err := r.factory.ExistingRegistry(ctx)
	if err != nil {
		return need + maskText(err.Error())
	}
	if r.same {
		if _, err := records.Events(ctx, 0, registry.EventFilter{Limit: 1}); err != nil {
			return need + maskText(err.Error())
		}
		return ""
	}
	told, err := r.from.Events(ctx, -1, 1)
	if err != nil {
		return maskText(err.Error())
	}
	var after int64
	if len(told) > 0 {
		after = told[0].ID - 1
	}
	read, err := records.Events(ctx, after, registry.EventFilter{Limit: 1})
	switch {
	case err != nil:
		return need + maskText(err.Error())
	case len(told) == 0 && len(read) == 0:
		return "" // neither knows of anything yet
	case len(told) == 0 || len(read) == 0 || !sameEvent(told[0], read[0]):
		return "the control database of tenants.yaml here isn't that of the " + r.from.Name()
	}
	r.same = true
	return ""
}

func sameEvent(a, b tenant.Event) bool {
	return a.ID == b.ID && a.Type == b.Type && a.Tenant == b.Tenant && a.Time.Equal(b.Time)
}
