package service

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"tenantctl/internal/tenant"
)

// Description is a service's OpenAPI document. Its operations are the service's routes, all of them.
type Description struct {
	doc        *openapi3.T
	text       []byte
	Operations []Operation
}

// Operation is one route.
type Operation struct {
	ID           string // operationId
	Method, Path string // as in http.ServeMux's patterns: /v1/orders/{id}
	Public       bool   // needs no token (security: [])
	Internal     bool   // for other services only, never through the gateway (x-internal: true)
	Permission   string // what the caller must be allowed (x-permission: orders:write); empty: to be logged in is enough
	MaxBody      int64  // bytes (x-max-body); 0 means DefaultMaxBody
	item         *openapi3.PathItem
	operation    *openapi3.Operation
}

// Describe reads a description.
func Describe(text []byte) (*Description, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI description: %w", err)
	}
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("OpenAPI description of %s: %w", doc.Info.Title, err)
	}
	d := &Description{doc: doc, text: text}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			described, err := describe(path, method, item, operation)
			if err != nil {
				return nil, err
			}
			d.Operations = append(d.Operations, described)
		}
	}
	sort.Slice(d.Operations, func(i, j int) bool {
		a, b := d.Operations[i], d.Operations[j]
		return a.Path < b.Path || a.Path == b.Path && a.Method < b.Method
	})
	return d, nil
}

// OperationsOf are the routes of a description, for who sends requests there.
func OperationsOf(text []byte) ([]Operation, error) {
	d, err := Describe(text)
	if err != nil {
		return nil, err
	}
	return d.Operations, nil
}

func describe(path, method string, item *openapi3.PathItem, operation *openapi3.Operation) (Operation, error) {
	o := Operation{ID: operation.OperationID, Method: method, Path: path, item: item, operation: operation}
	if o.ID == "" {
		return o, fmt.Errorf("OpenAPI description: %s %s has no operationId: %w", method, path, tenant.ErrInvalid)
	}
	o.Public = operation.Security != nil && len(*operation.Security) == 0
	o.Internal, _ = operation.Extensions["x-internal"].(bool)
	o.Permission, _ = operation.Extensions["x-permission"].(string)
	if bytes, ok := operation.Extensions["x-max-body"].(float64); ok {
		o.MaxBody = int64(bytes)
	}
	return o, nil
}

// Text is the document as it was written.
func (d *Description) Text() []byte { return d.text }

// safe tells methods that change nothing.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Writes tells whether the operation may change something.
func (o Operation) Writes() bool { return !safe(o.Method) }

// pattern is the operation's in http.ServeMux.
func (o Operation) pattern() string { return strings.ToUpper(o.Method) + " " + o.Path }
