package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"tenantctl/internal/platform/scope"
)

// Request is a request that the description allows, with who asks.
type Request struct {
	*http.Request
	Operation Operation
	Identity  scope.Identity // the zero value at public operations, but for its tenant
	body      []byte
	query     url.Values
}

// Body is the request's body, whole.
func (r *Request) Body() []byte { return r.body }

// Decode reads the body. Members that into doesn't have are refused: the description had them, or the caller mistyped.
func (r *Request) Decode(into any) error {
	decoder := json.NewDecoder(bytes.NewReader(r.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return Refuse(http.StatusUnprocessableEntity, "invalid", "body: %v", err)
	}
	return nil
}

// Query is a parameter of the query; empty where it isn't given.
func (r *Request) Query(name string) string { return r.query.Get(name) }

// read takes in the body and checks the request by the description.
func (d *Description) read(o Operation, identity scope.Identity, raw *http.Request) (*Request, error) {
	r := &Request{Request: raw, Operation: o, Identity: identity, query: raw.URL.Query()}
	if raw.Body != http.NoBody {
		if err := r.readBody(); err != nil {
			return nil, err
		}
	}
	input := &openapi3filter.RequestValidationInput{
		Request: raw, PathParams: pathValues(o, raw), QueryParams: r.query,
		Route:   &routers.Route{Spec: d.doc, Path: o.Path, PathItem: o.item, Method: o.Method, Operation: o.operation},
		Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true},
	}
	if err := openapi3filter.ValidateRequest(raw.Context(), input); err != nil {
		return nil, invalid(err)
	}
	return r, nil
}

// readBody takes in the body, and leaves it there to be read.
func (r *Request) readBody() error {
	body, err := io.ReadAll(r.Request.Body)
	if err != nil {
		return bodyProblem(err)
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/json" && len(body) > 0 && !json.Valid(body) {
		return Refuse(http.StatusBadRequest, "malformed", "the body isn't JSON, or more than one value")
	}
	r.body, r.Request.Body = body, io.NopCloser(bytes.NewReader(body))
	return nil
}

func pathValues(o Operation, r *http.Request) map[string]string {
	values := map[string]string{}
	for part := range strings.SplitSeq(o.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			values[name] = r.PathValue(name)
		}
	}
	return values
}

func bodyProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return Refuse(http.StatusRequestEntityTooLarge, "too-large", "the body may have %d bytes", tooLarge.Limit)
	}
	return Refuse(http.StatusBadRequest, "malformed", "the body ended early")
}

// invalid tells what of a request isn't as described, without saying its values again.
func invalid(err error) error {
	p := Refuse(http.StatusUnprocessableEntity, "invalid", "the request isn't as described")
	var all openapi3.MultiError
	if !errors.As(err, &all) {
		all = openapi3.MultiError{err}
	}
	for _, one := range all {
		p.Fields = append(p.Fields, fields(one)...)
	}
	p.Fields = p.Fields[:min(len(p.Fields), maxFields)]
	return p
}

// maxFields is how many of a request's faults are told.
const maxFields = 50

func fields(err error) []Field {
	var request *openapi3filter.RequestError
	at := ""
	if errors.As(err, &request) && request.Parameter != nil {
		at = request.Parameter.Name
	}
	var nested openapi3.MultiError
	if request != nil && errors.As(request.Err, &nested) {
		var list []Field
		for _, one := range nested {
			list = append(list, field(at, one))
		}
		return list
	}
	return []Field{field(at, err)}
}

func field(at string, err error) Field {
	var schema *openapi3.SchemaError
	if errors.As(err, &schema) {
		return Field{At: brief(at + "/" + strings.Join(schema.JSONPointer(), "/")), Detail: brief(schema.Reason)}
	}
	var request *openapi3filter.RequestError
	if errors.As(err, &request) && request.Reason != "" {
		return Field{At: at, Detail: brief(request.Reason)}
	}
	var parse *openapi3filter.ParseError
	if errors.As(err, &parse) {
		return Field{At: at, Detail: brief("can't be read: " + parse.Reason)}
	}
	return Field{At: at, Detail: brief(err.Error())}
}

// brief bounds what names a part of the request: its author chose how long that is.
func brief(text string) string { return fmt.Sprintf("%.200s", text) }
