package tenant

import "time"

// State is what a tenant is meant to be.
type State string

// The states a Spec may ask for.
const (
	Active    State = "active"
	Suspended State = "suspended"
	Archived  State = "archived"
	Deleted   State = "deleted"
)

// Route says where a tenant's traffic goes.
type Route string

// The routes of a tenant.
const (
	RouteLegacy   Route = "legacy"
	RouteHold     Route = "hold"
	RoutePlatform Route = "platform"
)

// Spec is what tenants.yaml declares of one tenant, defaults filled in. It holds no secret.
type Spec struct {
	Name     Name
	Instance string   // name of the shared PostgreSQL instance
	Schema   string   // the tenant's schema there
	Ring     string   // rollout ring
	State    State    // what the operator brings about
	Services []string // streams in dependency order; empty: none (a lifted tenant)
	Limits   Limits
	Mapping  string // path of the mapping file; empty: lift
	Legacy   bool   // a legacy database is declared
	Upstream string // where route platform sends a lifted tenant's traffic
}

// How long a statement of a service may run where tenants.yaml doesn't say otherwise, and wait for a lock.
const (
	DefaultStatementTimeout = 30 * time.Second
	LockTimeout             = 5 * time.Second
)

// Limits bound what one tenant may use.
type Limits struct {
	StatementTimeout  time.Duration `json:"statementTimeout"`
	RequestsPerSecond int           `json:"requestsPerSecond"`
	Jobs              int           `json:"jobs"`
	Weight            int           `json:"weight"`
}
