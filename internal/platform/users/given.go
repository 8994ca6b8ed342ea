package users

import "encoding/json"

// given is a member that may be left out: null is a value of it.
type given[T any] struct {
	is    bool
	value T
}

// UnmarshalJSON implements json.Unmarshaler. It is called only where the member is there.
func (g *given[T]) UnmarshalJSON(text []byte) error {
	g.is = true
	return json.Unmarshal(text, &g.value)
}
