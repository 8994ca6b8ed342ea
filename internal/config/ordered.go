package config

// entry is one key of a mapping with the place of the key.
type entry[T any] struct {
	Name  string
	Place Place
	Value T
}

// ordered is a mapping that keeps the order of the file: the first instance is the default control database, and streams
// depend on the ones before them.
type ordered[T any] struct {
	entries []entry[T]
	index   map[string]int
}

// keyed is what the decoder and the schema know of any ordered.
type keyed interface {
	reserve(n int)
	// find is the place of a name that was added.
	find(name string) (Place, bool)
	// add makes room for a name and gives a pointer to its value, valid until the next add.
	add(name string, place Place) any
	// element is a pointer to a value such as the mapping holds.
	element() any
}

func (o *ordered[T]) reserve(n int) {
	o.entries = make([]entry[T], 0, n)
	o.index = make(map[string]int, n)
}

func (o *ordered[T]) add(name string, place Place) any {
	return o.put(entry[T]{Name: name, Place: place})
}

// put appends an entry and gives a pointer to its value, valid until the next one.
func (o *ordered[T]) put(e entry[T]) *T {
	if o.index == nil {
		o.reserve(1)
	}
	o.index[e.Name] = len(o.entries)
	o.entries = append(o.entries, e)
	return &o.entries[len(o.entries)-1].Value
}

func (o *ordered[T]) find(name string) (Place, bool) {
	i, found := o.index[name]
	if !found {
		return Place{}, false
	}
	return o.entries[i].Place, true
}

func (o *ordered[T]) element() any { return new(T) }

// get is the value of a name, nil if it isn't there.
func (o *ordered[T]) get(name string) *T {
	i, ok := o.index[name]
	if !ok {
		return nil
	}
	return &o.entries[i].Value
}

func (o *ordered[T]) names() []string {
	names := make([]string, len(o.entries))
	for i := range o.entries {
		names[i] = o.entries[i].Name
	}
	return names
}
