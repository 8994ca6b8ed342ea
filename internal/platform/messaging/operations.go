package messaging

import "tenantctl/internal/platform/service"

// Operations are the service's routes.
func Operations() ([]service.Operation, error) { return service.OperationsOf(description) }

// Description is the service's, as it is written.
func Description() []byte { return description }
