package service

import (
	"fmt"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"tenantctl/internal/tenant"
)

// Select makes a description of some operations of others: who offers part of what other services do describes it in their words,
// and can't drift from them.
func Select(title, text string, operations []string, from ...[]byte) ([]byte, error) {
	selected := &openapi3.T{OpenAPI: "3.0.3", Info: &openapi3.Info{Title: title, Version: "1", Description: text}, Paths: openapi3.NewPaths(), Components: &openapi3.Components{
		Schemas: openapi3.Schemas{}, Parameters: openapi3.ParametersMap{}, Responses: openapi3.ResponseBodies{}, SecuritySchemes: openapi3.SecuritySchemes{},
	}}
	missing := slices.Clone(operations)
	for _, description := range from {
		doc, err := openapi3.NewLoader().LoadFromData(description)
		if err != nil {
			return nil, fmt.Errorf("read the OpenAPI description: %w", err)
		}
		for path, item := range doc.Paths.Map() {
			for method, operation := range item.Operations() {
				i := slices.Index(missing, operation.OperationID)
				if i < 0 {
					continue
				}
				missing = slices.Delete(missing, i, i+1)
				at := selected.Paths.Value(path)
				if at == nil {
					at = &openapi3.PathItem{Parameters: item.Parameters}
					selected.Paths.Set(path, at)
				}
				at.SetOperation(method, operation)
			}
		}
		if len(doc.Security) > 0 {
			selected.Security = doc.Security
		}
		if err := takeComponents(selected.Components, doc.Components); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("no description has the operations %v: %w", missing, tenant.ErrNotFound)
	}
	return selected.MarshalJSON()
}

func takeComponents(into, from *openapi3.Components) error {
	if from == nil {
		return nil
	}
	for _, err := range []error{
		take(into.Schemas, from.Schemas), take(into.Parameters, from.Parameters), take(into.Responses, from.Responses),
		take(into.SecuritySchemes, from.SecuritySchemes),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func take[T any](into, from map[string]T) error {
	for name, component := range from {
		if _, taken := into[name]; taken {
			return fmt.Errorf("two descriptions have a component %s: %w", name, tenant.ErrConflict)
		}
		into[name] = component
	}
	return nil
}
