package registry_test

import (
	"tenantctl/internal/operation"
	"tenantctl/internal/registry"
)

// What a Runner asks for is what the registry gives.
var (
	_ operation.Journal = (*registry.Registry)(nil)
	_ operation.Lease   = (*registry.Lease)(nil)
)
