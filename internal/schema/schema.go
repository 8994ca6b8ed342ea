// Package schema writes JSON Schemas: that of tenants.yaml and that of the events are made in rooms of their own, and written alike.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Draft is what a schema's top says of the rules that it was written by.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// Text is a schema as it stands in a file: indented, with its signs as they are.
func Text(top any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(top); err != nil {
		return nil, fmt.Errorf("write JSON Schema: %w", err)
	}
	return b.Bytes(), nil
}
