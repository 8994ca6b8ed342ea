package core

import "tenantctl/internal/platform/service"

// Operations are the service's routes, for who sends requests there.
func Operations() ([]service.Operation, error) {
	d, err := service.Describe(description)
	if err != nil {
		return nil, err
	}
	return d.Operations, nil
}
