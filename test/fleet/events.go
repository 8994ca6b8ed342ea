package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/operator/events"
)

// EventSchema tells of an event as it goes outside what of it isn't described, nor has a place in the type of its detail.
func EventSchema(t testing.TB) func(event []byte) error {
	t.Helper()
	text, err := events.Schema()
	require.NoError(t, err)
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("events.schema.json", decoded))
	byType, details := map[string]*jsonschema.Schema{}, map[string]any{}
	for _, kind := range events.Kinds() {
		byType[kind.Type], err = compiler.Compile("events.schema.json#/$defs/" + kind.Type)
		require.NoError(t, err)
		details[kind.Type] = kind.Detail
	}
	return func(event []byte) error {
		var e struct {
			Type string
			Data struct{ Detail json.RawMessage }
		}
		if err := json.Unmarshal(event, &e); err != nil {
			return err
		}
		if byType[e.Type] == nil {
			return fmt.Errorf("no event is called %q: %s", e.Type, event)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
		if err == nil {
			err = byType[e.Type].Validate(value)
		}
		if err != nil || e.Data.Detail == nil {
			return err
		}
		if details[e.Type] == nil {
			return fmt.Errorf("%s has no detail: %s", e.Type, event)
		}
		strict := json.NewDecoder(bytes.NewReader(e.Data.Detail))
		strict.DisallowUnknownFields()
		if err := strict.Decode(reflect.New(reflect.TypeOf(details[e.Type])).Interface()); err != nil {
			return fmt.Errorf("detail of %s: %w", e.Type, err)
		}
		return nil
	}
}
